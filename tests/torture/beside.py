"""Plays cases of the sweep beside a crowd: on some hosts that have one already, one case after the other on each.

pynet keeps its state, and the kernel its links, from case to case; only pynet is killed and starts again. A look at
the host (``tests.torture.ground``) shows the case, and what the crowd lost.
"""

import os
import shutil
import signal
import subprocess
import traceback
from collections.abc import Iterable, Iterator, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path

from plugin.background.parent import die_with_parent
from plugin.model.names import WIREGUARD
from tests.torture import crowd
from tests.torture.case import Case, Outcome, Pynet, Run
from tests.torture.cluster import FILE, HOST, add_other_host
from tests.torture.engine import Engine, new_namespace
from tests.torture.ground import Ground
from tests.torture.scenarios import WITH_ANOTHER, Scenario
from tests.torture.snapshot import command, records

HOSTS = 4  # at once, and one for reboots: most of the time a case waits for something
SET_UP = ("br-own", "ul0")  # links of the scenarios' setups
Reference = Mapping[tuple[str, str], Outcome]


class Crowded:
    """This process's namespace with pynet and a crowd; after a reboot nobody has the crowd's endpoints."""

    def __init__(self, folder: Path, *, reboots: bool) -> None:
        self.folder = folder
        self.pynet = Pynet(folder, "")
        new_namespace()
        self.pynet.state.mkdir(mode=0o700)
        (self.pynet.state / "host-id").write_text(HOST)
        engine = self._started()
        crowd.gather(engine.send, endpoints=0 if reboots else crowd.ENDPOINTS)
        Ground(self.pynet.state).rest()
        self.ground = Ground(self.pynet.state)
        self._has = "", "", "", "", 0  # setup, who shares networks, how, and whether the other one is dead

    def suit(self, scenario: Scenario) -> None:
        """Give the host what ``scenario`` needs; pynet starts again if the last one needed something else."""
        wanted = scenario.setup, scenario.shared, scenario.tunnel, scenario.kind, scenario.mourned
        if wanted == self._has and not scenario.mourned:
            return
        self.pynet.kill()
        for link in SET_UP:
            command("ip", "link", "del", link)
        for file in self.folder.glob(f"{FILE}*"):
            file.unlink()
        self.pynet.join(scenario.shared)
        subprocess.run(scenario.setup, shell=True, check=True)
        if scenario.shared == WITH_ANOTHER:
            encrypted = scenario.kind == WIREGUARD
            add_other_host(self.folder, scenario.tunnel, scenario.mourned, encrypted=encrypted)
        self._started()
        self._has = wanted

    def _started(self) -> Engine:
        self.pynet.start()
        engine = Engine(self.pynet.socket)
        engine.wait()
        return engine


class Beside(Run):
    """A case on a host with a crowd."""

    def __init__(self, case: Case, host: Crowded, reference: list[str]) -> None:
        super().__init__(case, host.folder, reference)
        self._host = host
        self._pynet = host.pynet

    def play(self) -> Outcome:
        """Play the case to its end; the outcome has the faults."""
        try:
            with self._fault("start"):
                self._host.suit(self.scenario)
            self._act(self._rested())
        finally:
            self._engine.end()
        return self.outcome

    def _seen(self) -> list[str]:
        return self._host.ground.look()

    def _rested(self) -> list[str]:
        return self._host.ground.rest()

    def _records(self) -> list[str]:
        return [line for line in records(self._pynet.state) if not crowd.is_of_it(line.split(" ", 3)[2])]


class Player:
    """A process that plays cases on a host of its own, until one has a fault: the next would have it too."""

    def __init__(self, folder: Path, *, reboots: bool) -> None:
        self.reboots = reboots
        self.case: Case | None = None
        self.pipe, other = Pipe()
        self._folder = folder
        folder.mkdir()
        self.pid = os.fork()
        if self.pid == 0:
            self.pipe.close()
            try:
                _play_all(other, folder, reboots=reboots)
            finally:
                os._exit(0)
        other.close()

    def play(self, case: Case, reference: list[str]) -> None:
        """Begin a case; ``pipe`` has the outcome when it is over."""
        self.case = case
        self.pipe.send((case, reference))

    def outcome(self) -> Outcome:
        """Return the outcome of the case."""
        self.case = None
        try:
            found: Outcome = self.pipe.recv()
        except EOFError:
            return Outcome(faults=["the host itself died"])
        return found

    def end(self) -> None:
        """End the process; the kernel ends its pynet."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _play_all(pipe: Connection, folder: Path, *, reboots: bool) -> None:
    die_with_parent()
    host: Crowded | None = None
    outcome = Outcome()
    while not outcome.faults:
        case, reference = pipe.recv()
        try:
            host = host or Crowded(folder, reboots=reboots)
            outcome = Beside(case, host, reference).play()
        except Exception:  # noqa: BLE001 - the sweep reports it as a fault of the case
            outcome = Outcome(faults=[traceback.format_exc()])
        if outcome.faults and (folder / "log").exists():
            outcome.faults.append("log: " + "\n".join((folder / "log").read_text().splitlines()[-12:]))
        pipe.send(outcome)


class Players:
    """Players for a whole sweep; a context manager that ends them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._players: list[Player] = []
        self._made = 0

    def __enter__(self) -> "Players":
        return self

    def __exit__(self, *_: object) -> None:
        for player in self._players:
            player.end()

    def play(self, cases: Iterable[Case], references: Reference) -> Iterator[tuple[Case, Outcome]]:
        """Play cases, some at once, and yield each with its outcome."""
        for case in cases:
            while (player := self._free(reboots=case.scenario.reboot)) is None:
                yield from self._over()
            reference = references.get((case.scenario.name, case.behaviour))
            player.play(case, reference.looks if reference else [])
        while any(player.case for player in self._players):
            yield from self._over()

    def _free(self, *, reboots: bool) -> Player | None:
        """Return a player that waits for a case, or None if all that there may be are busy."""
        some = [player for player in self._players if player.reboots == reboots]
        idle = next((player for player in some if player.case is None), None)
        if idle is None and len(some) < (1 if reboots else HOSTS):
            self._made += 1
            idle = Player(self._folder / str(self._made), reboots=reboots)
            self._players.append(idle)
        return idle

    def _over(self) -> Iterator[tuple[Case, Outcome]]:
        """Wait until cases are over, and yield them; a player whose case had a fault is gone then."""
        busy = {player.pipe: player for player in self._players if player.case}
        for pipe in wait(list(busy)):
            player = next(each for each in busy.values() if each.pipe is pipe)
            case, outcome = player.case, player.outcome()
            if outcome.faults:
                player.end()
                self._players.remove(player)
            if case:
                yield case, outcome
