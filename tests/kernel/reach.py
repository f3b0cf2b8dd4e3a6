"""A host with networks of every kind, and the question of a path asked twice: of the model, and of the kernel."""

import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cli.server.paths import answer_path
from plugin.protocol.path_messages import STOPS, Answer, question
from tests.bare import PYTHON
from tests.kernel.container import ECHO, PROBE, Container, ask, sh
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

PORT = 7777  # on which everybody answers
BRIDGE = "com.docker.network.bridge."
OUTSIDE = {4: "192.0.2.9", 6: "2001:db8::9"}
HOST = {4: "192.0.2.1", 6: "2001:db8::1"}


@dataclass(frozen=True, slots=True)
class Net:
    """A network to make: its number is in its id and its subnets."""

    number: int
    options: Mapping[str, str]
    internal: bool = False

    @property
    def id(self) -> str:
        """Return its id."""
        return f"{self.number:02x}" * 32

    def address(self, member: int, version: int) -> str:
        """Return the address of a member; the gateway is 1."""
        return f"10.{self.number}.0.{member}" if version == 4 else f"fd00:{self.number}::{member}"

    def create(self, pynet: Pynet) -> None:
        """Make it."""
        gateways = (f"{self.address(1, 4)}/24", f"{self.address(1, 6)}/64")
        options = dict(self.options)
        pynet.driver.create_network(rq.network(self.id, *gateways, internal=self.internal, options=options))


class Scene:
    """Containers by name, all of which answer on ``PORT``, as do the host and a machine outside."""

    def __init__(self, pynet: Pynet, containers: list[Container]) -> None:
        self._pynet, self._all = pynet, containers
        self._echo = subprocess.Popen([*PYTHON, ECHO, str(PORT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._echo.stdout is not None
        self._echo.stdout.readline()
        self.known: dict[str, tuple[Container, Net | None, int]] = {"outside": (self._started(), None, 0)}
        connect(self.known["outside"][0])
        self.known["outside"][0].echo()

    def _started(self) -> Container:
        self._all.append(Container())
        return self._all[-1]

    def attach(self, name: str, net: Net, number: int, *published: str, **driver_opts: str) -> None:
        """Start a container, which sends everything to its network's gateway, and publish its port."""
        container = self._started()
        identity = f"{net.number:02x}{number:02x}" * 16
        reference = self._pynet.attach(container, net.id, number, identity, **driver_opts)
        if net.internal:
            container.sh(f"ip route add default via {net.address(1, 4)}")
            container.sh(f"ip -6 route add default via {net.address(1, 6)}")
        outside = self.known["outside"][0]
        outside.sh(f"ip route replace 10.{net.number}.0.0/24 via {HOST[4]}")
        outside.sh(f"ip -6 route replace fd00:{net.number}::/64 via {HOST[6]}")
        container.echo()
        if published:
            self._pynet.publish(reference, *published)
        self.known[name] = (container, net, number)

    def place(self, name: str, version: int) -> str:
        """Return the address that is meant by a name: of a container, "outside", "host", "gateway of NAME"."""
        if name.startswith("gateway of "):
            net = self.known[name.removeprefix("gateway of ")][1]
            assert net is not None
            return net.address(1, version)
        if name == "host":
            return HOST[version]
        _, net, number = self.known[name]
        return net.address(number, version) if net else OUTSIDE[version]

    def told(self, source: str, target: str, service: str, version: int) -> Answer:
        """Return what the model says."""
        sender = source if source == "host" else self.place(source, version)
        asked = question(sender, self.place(target, version), service, str(version))
        return answer_path(self._pynet.store, asked)

    def found(self, source: str, target: str, service: str, version: int) -> bool:
        """Return what the kernel does."""
        proto, _, port = service.partition("/")
        at = self.place(target, version)
        inside = [] if source == "host" else ["nsenter", "-n", "-t", str(self.known[source][0].pid), "--"]
        if proto == "icmp":
            ping = [*inside, "ping", "-c", "1", "-W", "1", at]
            return subprocess.run(ping, capture_output=True, timeout=20, check=False).returncode == 0
        return ask(*inside, *PYTHON, PROBE, proto, at, port) != ""

    def wrong(self, cases: Iterable[tuple[str, str, str, int]]) -> list[str]:
        """Return the cases in which the model and the kernel differ, in words."""
        every = list(cases)
        host = [case for case in every if case[0] == "host"]  # only this thread is in the host's namespace
        others = [case for case in every if case[0] != "host"]
        with ThreadPoolExecutor(24) as threads:
            asked = threads.map(lambda case: self.found(*case), others)
            found = dict(zip(host, [self.found(*case) for case in host], strict=True))
            found |= dict(zip(others, asked, strict=True))
        answers = {case: self.told(*case) for case in every}
        return [
            f"{' '.join(map(str, case))}: the kernel {'delivers' if found[case] else 'stops'} it, but {answer.deciding}"
            for case, answer in answers.items()
            if (answer.fate not in STOPS) is not found[case]
        ]

    def end(self) -> None:
        """End the echo of the host."""
        self._echo.communicate()


def refuse_users(rule: str) -> None:
    """Make Docker's chain for rules of the user, as the engine does, with a rule."""
    sh(f"iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER; iptables -A DOCKER-USER {rule}")
