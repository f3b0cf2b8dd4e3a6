"""One case of the sweep: a real pynet in a namespace of its own, killed at one step, started again, and looked at."""

import json
import os
import signal
import subprocess
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from plugin.background.parent import die_with_parent
from plugin.model.names import WIREGUARD
from tests.settling import SLOWNESS, settle
from tests.torture import scenarios as sc
from tests.torture.cluster import ADDRESS, HOST, add_other_host, change_keys, give_back, revive, take_over
from tests.torture.engine import DRIVER, IPAM, Broken, Call, Engine, Refused, new_namespace
from tests.torture.garbage import removal
from tests.torture.killing import serve
from tests.torture.scenarios import REQUEST, WITH_ANOTHER, Scenario
from tests.torture.snapshot import difference, look, records

REPEATED, GIVEN_UP = "repeated", "given up"
SETTLES = 15.0  # seconds that what happens in the background may take, on a busy machine


@dataclass(frozen=True, slots=True)
class Case:
    """``step`` 0 kills nothing: that run counts the steps and tells what is to be there afterwards."""

    scenario: Scenario
    behaviour: str
    step: int = 0
    side: str = "before"

    def __str__(self) -> str:
        return f"{self.scenario.name}: killed {self.side} step {self.step}, {self.behaviour}"


@dataclass(slots=True)
class Outcome:
    """The result of a case.

    ``left`` are records that the engine cannot take back and only a garbage collector can. ``missed``: pynet did not
    come to the step, because on a busy machine a background thread had done a part before.
    """

    missed: bool = False
    steps: list[str] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Pynet:
    """pynet in this namespace, forked from this process so that everything is loaded already."""

    def __init__(self, folder: Path, shared: str) -> None:
        self.state = folder / "state"
        self.join(shared)
        self.socket = folder / "pynet.sock"
        self._folder = folder
        self._pid = 0

    def join(self, shared: str) -> None:
        """Have it share networks from its next start on, if somebody is in the cluster store."""
        self._settings = {"PYNET_STORE": "etcd://127.0.0.1:1", "PYNET_ADVERTISE": ADDRESS} if shared else {}

    def start(self) -> None:
        """Start it; it need not serve yet when this returns."""
        self._pid = os.fork()
        if self._pid == 0:
            try:
                die_with_parent()
                os.setsid()
                self._become()
            except BaseException:  # noqa: BLE001 - a forked process must not go on in the place of its parent
                traceback.print_exc()
            finally:
                os._exit(1)

    def _become(self) -> None:
        log = os.open(self._folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for key in [key for key in os.environ if key.startswith("PYNET_")]:
            del os.environ[key]  # settings of the tests, which pynet would refuse
        os.environ["PYNET_SOCKET"], os.environ["PYNET_STATE_DIR"] = str(self.socket), str(self.state)
        os.environ.update(self._settings)
        serve(self._folder)

    def plan(self, text: str) -> None:
        """Say at which step it is to die; "" for never."""
        part = self._folder / "plan.part"
        part.write_text(text)
        part.rename(self._folder / "plan")
        (self._folder / "steps").write_text("")

    def steps(self) -> list[str]:
        """Return the steps since the plan was made."""
        return (self._folder / "steps").read_text().splitlines()

    def died(self, seconds: float) -> bool:
        """Wait for it to be killed by its plan."""
        end = time.monotonic() + seconds
        while self._pid:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._pid = 0
                return os.WIFSIGNALED(status)
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def kill(self) -> None:
        """Kill all its processes (SIGKILL)."""
        if self._pid:
            os.killpg(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


class Run:
    """Plays a case; ``reference`` is the expected state after the engine has done its part."""

    def __init__(self, case: Case, folder: Path, reference: list[str]) -> None:
        self.case, self.scenario = case, case.scenario
        self.outcome = Outcome()
        self._reference = reference
        self._folder = folder
        self._pynet = Pynet(folder, self.scenario.shared)
        self._engine = Engine(self._pynet.socket)

    def play(self) -> Outcome:
        """Play the case to its end; the outcome has the faults."""
        self._new_host()
        self._new_cluster()
        try:
            before = self._seen()
            with self._fault("start"):
                self._start()
            self._act(before)
        finally:
            self._pynet.kill()
            self._engine.end()
        return self.outcome

    def _act(self, before: list[str]) -> None:
        """Play the case on the served host; ``before`` is the state without it."""
        with self._fault("prepare"):
            for call in self.scenario.before:
                self._engine.make(call)
            self._await(self.scenario.ready)
        if self.case.step:
            self._killed()
        else:
            self._unharmed()
        if self.scenario.taken or self.scenario.rekeyed:
            give_back(self._folder)
        if self.scenario.mourned:
            revive(self._folder, self.scenario.tunnel, self.scenario.mourned)
        with self._fault("remove everything"):
            self._engine.remove_everything()
        self._compare("after everything was removed", before)

    def _seen(self) -> list[str]:
        """Return the state of the host now."""
        return look(self._pynet.state)

    def _rested(self) -> list[str]:
        """Return the state of the host when nothing happens any more."""
        time.sleep(self.scenario.rests * SLOWNESS)
        return self._seen()

    def _new_host(self) -> None:
        new_namespace()
        subprocess.run(self.scenario.setup, shell=True, check=True)

    def _new_cluster(self) -> None:
        """Give this host its name in the cluster; a made-up one would differ from that of the reference."""
        if self.scenario.shared:
            self._pynet.state.mkdir(mode=0o700)
            (self._pynet.state / "host-id").write_text(HOST)
        if self.scenario.shared == WITH_ANOTHER:
            encrypted = self.scenario.kind == WIREGUARD
            add_other_host(self._folder, self.scenario.tunnel, self.scenario.mourned, encrypted=encrypted)

    def _await(self, text: str) -> None:
        """Wait until a record has ``text``, if there is one."""
        end = time.monotonic() + SETTLES * SLOWNESS
        while text and not any(text in line for line in self._records()):
            if time.monotonic() > end:
                raise Broken(f"no record has {text}")
            time.sleep(0.05)

    def _start(self) -> None:
        self._pynet.start()
        self._engine.wait()

    # --- without a kill ------------------------------------------------------------------------

    def _unharmed(self) -> None:
        """Count the steps without a kill, and note the state afterwards; a given-up creation leaves nothing."""
        verb = self.scenario.verb
        creating = verb is not None and verb.method.startswith((f"{DRIVER}Create", f"{IPAM}Request"))
        if creating and self.case.behaviour == GIVEN_UP and not self.scenario.given_up:
            self._look()
            self._count()
            return
        self._count()
        with self._fault("clean up"):
            for call in self.scenario.given_up if self.case.behaviour == GIVEN_UP else ():
                self._engine.make(call)
        self._look()

    def _count(self) -> None:
        self._pynet.plan(f"{self.scenario.where} 0 before")
        with self._fault("without a kill"):
            if self.scenario.verb is None:
                self._restart()
            else:
                self._engine.make(self.scenario.verb)
        if self.scenario.where != REQUEST:
            self._rested()
        self.outcome.steps = self._pynet.steps()
        self._pynet.plan("")

    def _look(self) -> None:
        self.outcome.looks = self._rested()

    def _restart(self) -> None:
        self._away()
        self._start()

    def _away(self) -> None:
        """Kill pynet, and let happen what happens while it is away."""
        self._pynet.kill()
        if self.scenario.reboot:
            self._new_host()
        if self.scenario.taken:
            take_over(self._folder)
        if self.scenario.rekeyed:
            change_keys(self._folder, generation=2)

    # --- with a kill ---------------------------------------------------------------------------

    def _killed(self) -> None:
        self._pynet.plan(f"{self.scenario.where} {self.case.step} {self.case.side}")
        verb, where = self.scenario.verb, self.scenario.where
        answered = False
        if verb is None:
            self._away()
            self._pynet.start()
        else:
            with self._fault("the verb", Broken):
                self._engine.make(verb)
                answered = True
        self.outcome.missed = not self._pynet.died(0 if answered and where == REQUEST else SETTLES * SLOWNESS)
        self._pynet.plan("")
        if self.outcome.missed:
            return
        with self._fault("start again"):
            self._start()
        if verb is not None and not answered:
            self._go_on(verb)
        with self._fault("a new container"):
            self._new_container()
        with self._fault("collect garbage"):
            self._collect()
        self._compare("engine and kernel disagree", self._reference)

    def _go_on(self, verb: Call) -> None:
        """Act as the engine after a broken call: retry, or give up and clean up."""
        if self.case.behaviour == REPEATED:
            with self._fault("repeat"):
                self._engine.make(verb)
            return
        if verb.body:
            with self._fault("retry without a body", Refused):
                self._engine.send(verb.method, None)
                self.outcome.faults.append("the retry without a body was taken")
        self._engine.forget(verb)
        with self._fault("clean up"):
            for call in self.scenario.given_up:
                self._engine.make(call)

    def _new_container(self) -> None:
        """A container on the network, or on a new one of the same subnet, reaches its gateway and may have the port.

        Without a gateway, containers reach each other.
        """
        engine, fresh = self._engine, sc.NET not in self._engine.networks
        net = sc.NEW if fresh else sc.NET
        if fresh:
            engine.make(replace(self.scenario.net, body={**self.scenario.net.body, "NetworkID": net}))
        address = "10.9.0.3/24" if sc.END in engine.endpoints else "10.9.0.2/24"
        address = "" if self.scenario.leases else address
        engine.make(sc.endpoint(sc.FRESH, address, net=net))
        engine.make(sc.join(sc.FRESH, net))
        engine.make(sc.program(9000 if sc.END in engine.endpoints else 8080, identity=sc.FRESH, net=net))
        targets = {self.scenario.gateway} if self.scenario.gateway else {box.address for box in engine.boxes.values()}
        heard = {name: box for name, box in engine.boxes.items() if name != sc.END or not self.scenario.taken}
        for name, box in heard.items():
            for target in targets - {box.address}:
                if not box.reaches(target):
                    self.outcome.faults.append(f"container {name[:4]} does not reach {target}")
        for verb in ("RevokeExternalConnectivity", "Leave", "DeleteEndpoint"):
            engine.make(sc.of(verb, sc.FRESH, net))
        if fresh:
            engine.make(Call(f"{DRIVER}DeleteNetwork", {"NetworkID": net}))

    def _collect(self) -> None:
        """Remove objects that the engine does not know, as a garbage collector with the engine's API does."""
        for line in self._records():
            kind, key, body = line.split(" ", 3)[1:]
            call = removal(self._engine, kind, key, json.loads(body))
            if call is not None:
                self.outcome.left.append(f"{kind} {key[:12]}")
                self._engine.make(call)

    def _records(self) -> list[str]:
        return records(self._pynet.state)

    # --- shared --------------------------------------------------------------------------------

    def _compare(self, what: str, wanted: list[str]) -> None:
        """Wait until the host is as ``wanted``, for as long as the background may take."""
        changes = settle(lambda: difference(wanted, self._seen()), SETTLES, pause=0.3, slower=1.5)
        if changes:
            self.outcome.faults.append(f"{what}:\n{changes}")

    @contextmanager
    def _fault(self, what: str, *expected: type[Exception]) -> Iterator[None]:
        try:
            yield
        except expected:
            return
        except (Broken, Refused, OSError) as error:
            self.outcome.faults.append(f"{what}: {error}")


def play(case: Case, folder: Path, reference: list[str]) -> None:
    """Play a case in this process, which is thrown away after it, and write the outcome to ``folder``."""
    die_with_parent()
    try:
        outcome = Run(case, folder, reference).play()
    except Exception as error:  # noqa: BLE001 - the sweep reports it as a fault of the case
        outcome = Outcome(faults=[f"{type(error).__name__}: {error}"])
    if outcome.faults and (folder / "log").exists():
        outcome.faults.append("log: " + "\n".join((folder / "log").read_text().splitlines()[-12:]))
    (folder / "outcome").write_text(json.dumps(asdict(outcome)))
