"""Three Docker hosts with a pynet each, on one underlay, and their containers."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from tests.bare import PYTHON
from tests.cluster.overlay.underlay import LINK, Underlay
from tests.engine.lab import image, service
from tests.engine.lab.engines import Engine
from tests.engine.lab.host import Host
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import ECHO
from tests.engine.lab.shell import CommandFailed, run

QUICK = ("--log-driver", "none", "--stop-signal", "KILL")
_numbers = count(1)


@dataclass(slots=True)
class Box:
    """A container on a host, with its addresses on the network that it was started for."""

    name: str
    host: Host
    ip: str
    ip6: str
    pid: int

    def net(self, *argv: str | Path) -> str:
        """Run a command of the machine in its network namespace."""
        return run(*self.enter, *argv)

    @property
    def enter(self) -> tuple[str, ...]:
        """The prefix that runs a command in its network namespace."""
        return ("nsenter", f"--net={self.host.path(f'/proc/{self.pid}/ns/net')}", "--")

    @property
    def mac(self) -> str:
        """Its MAC, which follows from its address."""
        return "02:42:" + bytes(map(int, self.ip.split("."))).hex(":")

    @contextmanager
    def echo(self, port: int) -> Iterator[None]:
        """Answer on a port, while the block runs, with the address that asks."""
        command = [*self.enter, *PYTHON, str(ECHO), str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as echo:
            assert echo.stdout is not None
            assert echo.stdout.readline() == b"ready\n"
            yield
            echo.communicate()

    def reaches(self, address: str) -> bool:
        """Whether one of two pings is answered within a second."""
        try:
            self.net("ping", "-c", "2", "-i", "0.2", "-W", "1", address)
        except CommandFailed:
            return False
        return True


@dataclass(slots=True)
class Node:
    """A host of the cluster with its pynet."""

    host: Host
    pynet: service.Pynet
    address: str
    boxes: list[Box] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # also of containers that did not start

    def create(self, name: str, *arguments: str, ipam: bool = True) -> None:
        """Create the overlay network ``name`` on this host, known by the same name in the cluster."""
        own = ("--ipam-driver", "pynet", "--ipam-opt", f"pynet.network={name}") if ipam else ()
        mode = ("-o", "pynet.mode=overlay", "-o", f"pynet.network={name}")
        self.host.docker("network", "create", "--driver", "pynet", *own, *mode, *arguments, name)

    def run(self, network: str, *arguments: str) -> Box:
        """Start a container on a network."""
        name = f"box{next(_numbers)}"
        self.names.append(name)
        self.host.docker("run", "-d", "--name", name, *QUICK, "--network", network, *arguments, image.NAME)
        return self.adopt(name, network)

    def adopt(self, name: str, network: str) -> Box:
        """Return a container that runs."""
        state = self.host.docker.inspect("container", name)
        place = state["NetworkSettings"]["Networks"][network]
        box = Box(name, self.host, place["IPAddress"], place["GlobalIPv6Address"], state["State"]["Pid"])
        self.boxes.append(box)
        return box

    def remove(self, box: Box) -> None:
        """Remove a container."""
        self.host.docker("rm", "-f", box.name)
        self.boxes.remove(box)
        self.names.remove(box.name)

    def clear(self) -> None:
        """Remove all containers."""
        while self.names:
            self.host.docker("rm", "-f", self.names[-1])
            self.names.pop()
        self.boxes.clear()

    def links(self, network: str) -> tuple[str, str]:
        """Return the names of the bridge and of the tunnel of a network."""
        identity = str(self.host.api.call("GET", f"/networks/{network}")["Id"])[:12]
        return f"pn-{identity}", f"pnv{identity}"

    def tables(self, network: str) -> list[str]:
        """Return the entries of a network in the kernel's tables, one per line."""
        bridge, tunnel = self.links(network)
        lines = self.host.net("bridge", "fdb", "show", "dev", tunnel).splitlines()
        entries = [line.replace(bridge, "bridge") for line in lines if "permanent" not in line or " dst " in line]
        for family in ("-4", "-6"):
            shown = self.host.net("ip", family, "neigh", "show", "dev", bridge, "nud", "permanent").splitlines()
            entries += [line for line in shown if not line.startswith(("ff", "2001:db8", "224."))]
        return sorted(line.strip() for line in [*entries, *self.routes()])

    def routes(self) -> list[str]:
        """Return pynet's routes to containers of other hosts, without the links."""
        shown = [self.host.net("ip", family, "route", "show", "proto", "81").splitlines() for family in ("-4", "-6")]
        return [line.split(" dev ")[0] for lines in shown for line in lines]

    def near(self) -> str:
        """Return the address at which its neighbours reach it in IPv6."""
        shown = self.host.net("ip", "-6", "-br", "address", "show", "dev", LINK, "scope", "link")
        return shown.split()[2].split("/")[0]

    def mac(self, network: str) -> str:
        """Return the MAC of the bridge of a network."""
        return self.host.net("ip", "-br", "link", "show", "dev", self.links(network)[0]).split()[2]


class Cluster:
    """Three nodes; use it with ``with``. ``tunnel`` is the ``pynet.tunnel`` of their networks.

    If it is ``named``, each node must know the names of all containers too before a network counts as settled. ``env``
    are more variables for the pynets.
    """

    tunnel, named = "vxlan", False

    def __init__(
        self, engine: Engine, underlay: Underlay, size: int = 3, env: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.underlay = underlay
        self._env = env
        self._stack = ExitStack()
        with ThreadPoolExecutor(size) as pool:
            self.nodes: Sequence[Node] = list(pool.map(lambda number: self._node(engine, number), range(1, size + 1)))

    def _node(self, engine: Engine, number: int) -> Node:
        host = self._stack.enter_context(Host(engine, f"h{number}"))
        address = self.underlay.switch.plug(f"h{number}", host.pid, number)
        host.start_engine()
        image.load(host.docker)
        pynet = service.pynet(host, PYNET_STORE=self.underlay.store, PYNET_ADVERTISE=LINK, **self._env)
        pynet.start()
        self._stack.callback(pynet.stop)
        return Node(host, pynet, address)

    def create(self, name: str, *arguments: str) -> None:
        """Create an overlay network on every node."""
        for node in self.nodes:
            node.create(name, *arguments, "-o", f"pynet.tunnel={self.tunnel}")

    def remove(self, name: str) -> None:
        """Remove the containers of every node, and a network."""
        for node in self.nodes:
            node.clear()
            node.host.docker("network", "rm", name)

    @contextmanager
    def inhabited(self, name: str, *arguments: str) -> Iterator[Self]:
        """Create a network with one container on every node, each in all tables; all go afterwards."""
        self.create(name, *arguments)
        try:
            for node in self.nodes:
                node.run(name)
            self.wait(name)
            yield self
        finally:
            self.remove(name)

    def settled(self, name: str) -> bool:
        """Whether every node's tables hold every container of the others, and nothing else."""
        right = all(self._expected(node, name) == node.tables(name) for node in self.nodes)
        return right and (not self.named or self._names_are_right(name))

    def leads(self, node: Node, name: str, box: Box, other: Node) -> list[str]:
        """Return the entries of ``node`` that lead to a container of another node."""
        if self.tunnel != "direct":
            return list(_lines(box, other.address))
        pairs = [(box.ip, other.address), (box.ip6, other.near())][: 2 if box.ip6 else 1]
        ways = [f"{ip} via {hop}" for ip, hop in pairs]
        return ways + [f"{ip} lladdr {node.mac(name)} PERMANENT" for ip, _ in pairs]

    def cut_way(self, node: Node, name: str, box: Box) -> str:
        """Delete the first of these entries, as somebody else may; return its words in sentences."""
        if self.tunnel == "direct":
            node.host.net("ip", "route", "del", box.ip, "proto", "81")
            return box.ip
        node.host.net("bridge", "fdb", "del", box.mac, "dev", node.links(name)[1], "master")
        return box.mac

    def _expected(self, node: Node, name: str) -> list[str]:
        lines = []
        for other in self.nodes:
            if other is not node and other.boxes:
                lines += [line for box in other.boxes for line in self.leads(node, name, box, other)]
                flood = [f"00:00:00:00:00:00 dst {other.address} self static"]
                lines += flood if self.tunnel != "direct" else []
        return sorted(lines)

    def _names_are_right(self, name: str) -> bool:
        boxes = [box for node in self.nodes for box in node.boxes]
        wanted = sorted((box.name, *sorted(filter(None, (box.ip, box.ip6)))) for box in boxes)
        for node in self.nodes:
            rows = json.loads(service.command(node.host, "dns", "names", name, "--json"))
            found = [(own, *sorted(row["addresses"])) for row in rows for own in row["names"] if own.startswith("box")]
            if sorted(found) != wanted:
                return False
        return True

    def wait(self, name: str, seconds: float = 10) -> None:
        """Wait until all tables are right; an error shows what differs."""
        try:
            wait_until(lambda: self.settled(name), f"the tables of {name} to be equal", seconds)
        except AssertionError as error:
            for node in self.nodes:
                wanted, found = set(self._expected(node, name)), set(node.tables(name))
                error.add_note(f"{node.host.name}: missing {wanted - found}, too much {found - wanted}")
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()


def _lines(box: Box, host: str) -> Iterator[str]:
    mac = box.mac
    yield f"{mac} dst {host} self static"
    yield f"{mac} master bridge static"
    yield f"{box.ip} lladdr {mac} PERMANENT"
    if box.ip6:
        yield f"{box.ip6} lladdr {mac} PERMANENT"


@contextmanager
def pinging(box: Box, address: str) -> Iterator[Callable[[], tuple[int, int]]]:
    """Ping ten times a second while the block runs; the function then returns (sent, lost)."""
    command = [*box.enter, "ping", "-i", "0.1", "-W", "1", address]
    result = [0, 0]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield lambda: (result[0], result[1])
        finally:
            process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=10)
    words = next(line for line in output.splitlines() if "packets transmitted" in line).split()
    result[:] = [int(words[0]), int(words[0]) - int(words[3])]


def transfer(sender: Box, receiver: Box, address: str, size: int = 1_000_000) -> int:
    """Send ``size`` bytes by TCP and return how many arrived."""
    receive = (
        "import socket; s=socket.create_server(('::',5001),family=socket.AF_INET6,dualstack_ipv6=True);"
        "print('ready',flush=True); c=s.accept()[0]; print(sum(map(len,iter(lambda:c.recv(65536),b''))),flush=True)"
    )
    send = f"import socket; c=socket.create_connection(('{address}',5001),5); c.sendall(bytes({size})); c.close()"
    with subprocess.Popen([*receiver.enter, *PYTHON, "-c", receive], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        sender.net(*PYTHON, "-c", send)
        return int(process.stdout.readline())
