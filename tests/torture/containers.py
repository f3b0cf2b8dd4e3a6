"""Twenty containers that ping and publish ports, while pynet and the engine are killed and started again.

python -m tests.torture.containers [ENGINE ...]
"""

import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import Self

from tests.engine.lab import image, service
from tests.engine.lab.engines import obtain, wanted
from tests.engine.lab.host import Host
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene
from tests.engine.lab.service import Pynet, published_by_pynet
from tests.engine.lab.shell import CommandFailed
from tests.engine.lab.snapshot import listening, unchanged
from tests.torture import crowd

FIRST_PORT = 18000
SOCKET, ADMIN = "/run/docker/plugins/pynet.sock", "/run/pynet/pynet.sock"
# Options of curl.
# fmt: off
ONCE_UP = ("--noproxy", "*", "-sf", "-m", "5", "--retry", "3", "--retry-connrefused", "-o", "/dev/null")
# fmt: on
PER_NETWORK = 5
LIVE = "--live-restore"


@dataclass(slots=True)
class Survival:
    """Pings that were sent and lost during kills, and other faults."""

    engine: str
    containers: int
    sent: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Pings:
    """Ten pings a second from one container to another; use it with ``with``."""

    def __init__(self, box: Container, target: str) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the ping runs
        argv = ("nsenter", f"--net={box.namespace}", "--", "ping", "-n", "-i", "0.1", target)
        self._process = subprocess.Popen(argv, stdout=self._output, stderr=subprocess.STDOUT)
        self._counted = 0

    def count(self) -> tuple[int, int]:
        """Return how many were sent and lost since the last count, up to the last one that was answered."""
        time.sleep(0.5)
        self._output.seek(0)
        numbers = {int(number) for number in re.findall(rb"icmp_seq=(\d+) ttl", self._output.read())}
        last = max(numbers, default=0)
        since = range(self._counted + 1, last + 1)
        self._counted = last
        return len(since), len([number for number in since if number not in numbers])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        self._output.close()


class Ordeal:
    """The trial of the containers, with ``restarts`` of pynet."""

    def __init__(self, host: Host, pynet: Pynet, found: Survival, restarts: int) -> None:
        self._host, self._pynet, self._found, self._restarts = host, pynet, found, restarts
        self._scene = Scene(host, pynet.name)
        self._boxes: list[Container] = []

    def run(self) -> None:
        """Make the containers, kill, look, and take everything apart."""
        nets = [self._scene.network() for _ in range(max(1, self._found.containers // PER_NETWORK))]
        for number in range(self._found.containers):
            port = FIRST_PORT + number
            box = self._scene.container(nets[number % len(nets)], "-p", f"{port}:80")
            self._host.docker("exec", "-d", box.name, "httpd", "-p", "80", "-h", "/www")
            self._boxes.append(box)
        self._answer("at first")
        with Pings(self._boxes[0], self._boxes[len(nets)].ip(nets[0])) as pings:
            for what, blow in (
                (f"pynet killed {self._restarts} times", self._kill_pynet),
                ("engine restarted", self._restart_engine),
                ("engine killed", self._kill_engine),
            ):
                blow()
                self._found.sent[what], self._found.lost[what] = pings.count()
                self._answer(what)
        self._take_apart(nets)

    def _kill_pynet(self) -> None:
        for _ in range(self._restarts):
            self._pynet.kill()
            self._pynet.start()

    def _restart_engine(self) -> None:
        self._host.stop_engine()
        self._host.start_engine(LIVE)

    def _kill_engine(self) -> None:
        self._host.kill_engine()
        self._host.start_engine(LIVE)

    def _answer(self, when: str) -> None:
        """Look whether every published port answers."""
        for number in range(len(self._boxes)):
            url = f"http://127.0.0.1:{FIRST_PORT + number}/"
            try:
                self._host.net("curl", *ONCE_UP, url)
            except CommandFailed as failure:
                self._found.faults.append(f"{when}: {url} does not answer: {failure.stderr}")

    def _take_apart(self, nets: list[str]) -> None:
        """Stop, start and remove every container, and remove the networks."""
        for box in self._boxes:
            for command in (("stop", "-t", "0"), ("start",)):
                self._docker(*command, box.name)
        one, other = self._boxes[0], self._boxes[len(nets)]
        if not one.reaches(other.ip(nets[0])):
            self._found.faults.append("containers that were started again do not reach each other")
        for box in self._boxes:
            self._docker("rm", "-f", box.name)
        others = crowd.NETWORKS * crowd.ENDPOINTS
        wait_until(lambda: len(published_by_pynet(self._host)) == others, "the ports to be given back", 10)
        held = [line for line in listening(self._host) if re.search(r":18\d\d\d$", line)]
        self._found.faults += [f"still held: {line}" for line in held]
        for net in nets:
            wait_until(lambda net=net: self._removed(net), f"network {net} to be empty", 10)  # type: ignore[misc]

    def _docker(self, *argv: str) -> None:
        try:
            self._host.docker(*argv)
        except CommandFailed as failure:
            self._found.faults.append(str(failure))

    def _removed(self, net: str) -> bool:
        try:
            self._host.docker("network", "rm", net)
        except CommandFailed as failure:
            if "active endpoints" not in failure.stderr:
                raise
            return False
        return True


def survive(label: str, containers: int = 20, restarts: int = 10) -> Survival:
    """Let ``containers`` live through everything on an engine."""
    begin = time.monotonic()
    with Host(obtain(label), "torture") as host:
        host.start_engine(LIVE)
        image.load(host.docker)
        pynet = service.pynet(host)
        pynet.start()
        send = crowd.beside(host.path(SOCKET))
        found = Survival(host.engine.version, containers)
        try:
            with unchanged(host):
                crowd.gather(send)
                Ordeal(host, pynet, found, restarts).run()
                found.faults += crowd.missing(host.path(ADMIN))
                crowd.scatter(send)
        except AssertionError as error:
            found.faults.append(str(error))
        finally:
            pynet.stop()
    found.seconds = time.monotonic() - begin
    return found


def lines(found: Survival) -> list[str]:
    """Say it in words."""
    pings = [f"{what}: {found.sent[what]} pings, {found.lost[what]} lost" for what in found.sent]
    return [f"{found.containers} containers on {found.engine}, {found.seconds:.0f} s", *pings, *found.faults]


def main(labels: list[str]) -> int:
    """Print the result; return 1 if a ping was lost through pynet or something else failed."""
    failed = False
    for label in labels or wanted():
        found = survive(label)
        print("\n  ".join(lines(found)))
        failed |= bool(found.faults) or any(lost for what, lost in found.lost.items() if "pynet" in what)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
