"""Errors about flows of others, and forged answers: packets that conntrack knows, from where they have no business.

A flow is what conntrack keeps; an error carries the head of a packet of it, and whatever its sender adds.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.container import Container, sh
from tests.kernel.packets import SCRIPT, UDP, udp, unreachable
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

Line = tuple[str, Any, str, bool]
INNER, OTHER, THIRD = rq.NETWORK_ID, rq.OTHER_ID, "c3" * 32
ADDRESSES = {  # two of each family
    "outside": ("192.0.2.9", "2001:db8::9"),
    "host": ("192.0.2.1", "2001:db8::1"),
    "inner": ("10.9.0.2", "fd00:9::2"),  # of an internal network
    "inner gateway": ("10.9.0.1", "fd00:9::1"),
    "server": ("10.8.0.2", "fd00:8::2"),
    "mate": ("10.8.0.3", "fd00:8::3"),  # of the server's network
    "third": ("10.7.0.2", "fd00:7::2"),  # of another network
    "router": ("10.7.0.3", "fd00:7::3"),  # of the same, and allowed to send as others
    "docker": ("10.6.0.2", "fd00:6::2"),  # of a network of Docker's own
}
NETWORKS = {  # which network a container is in, with which number, and the id of its endpoint
    "inner": (INNER, 2, "e1" * 32),
    "server": (OTHER, 2, "e2" * 32),
    "mate": (OTHER, 3, "e3" * 32),
    "third": (THIRD, 2, "e4" * 32),
    "router": (THIRD, 3, "e5" * 32),
}
OPTIONS = {"router": "0.0.0.0/0"}  # pynet.guard_allow
FLOWS = {  # who began it, from which port, to whom, to which port
    "published": ("outside", 5555, "host", 8081),  # the server's port 7777
    "across": ("third", 5556, "host", 8081),
    "outward": ("server", 5557, "outside", 9),
    "to the gateway": ("inner", 5558, "inner gateway", 9),
}
# What the error is about, as its sender saw it, and whom it is sent to.
ABOUT = {
    "asking": (("outside", 5555, "server", 7777), "outside"),
    "answer": (("host", 8081, "outside", 5555), "host"),
    "asking across": (("third", 5556, "server", 7777), "third"),
    "answer across": (("host", 8081, "third", 5556), "host"),
    "outward": (("host", 5557, "outside", 9), "host"),
    "outward at home": (("outside", 9, "server", 5557), "outside"),
    "to the gateway": (("inner", 5558, "inner gateway", 9), "inner"),
}
ERRORS: list[Line] = [  # who sends an error about what, who would hear it, and whether that is right
    ("server", "asking", "outside", True),
    ("mate", "asking", "outside", True),  # of the same network: a neighbour is not told apart
    ("third", "asking", "outside", False),
    ("router", "asking", "outside", True),
    ("inner", "asking", "outside", False),
    ("outside", "answer", "server", True),
    ("third", "answer", "server", False),
    ("inner", "answer", "server", False),
    ("docker", "answer", "server", True),  # not told apart from the outside; docs/firewall.md says so
    ("server", "asking across", "third", True),
    ("inner", "asking across", "third", False),
    ("docker", "asking across", "third", True),
    ("third", "answer across", "server", True),
    ("inner", "answer across", "server", False),
    ("outside", "outward", "server", True),
    ("third", "outward", "server", False),
    ("inner", "outward", "server", False),
    ("docker", "outward", "server", False),
    ("server", "outward at home", "outside", True),
    ("third", "outward at home", "outside", False),
    ("inner", "outward at home", "outside", False),
    ("outside", "to the gateway", "inner", False),
    ("third", "to the gateway", "inner", False),
    ("docker", "to the gateway", "inner", False),
]
FORGED: list[
    Line
] = [  # who sends a packet as who to whom, who would hear it, and whether it does: the tuple of a known flow
    ("outside", ("inner gateway", 9, "inner", 5558), "inner", False),
    ("outside", ("outside", 5555, "server", 7777), "server", False),
    ("outside", ("outside", 9, "server", 5557), "server", False),
    ("outside", ("server", 7777, "third", 5556), "third", True),  # rp_filter is off; docs/firewall.md says so
]


def datagram(ends: tuple[str, int, str, int], family: int, mark: str) -> bytes:
    """Return a packet of a flow by the names of its ends."""
    source, target = (ADDRESSES[name][family] for name in (ends[0], ends[2]))
    return udp((source, ends[1]), (target, ends[3]), mark)


def error(sender: str, about: str, family: int, mark: str) -> bytes:
    """Return an error about a packet of a flow, with ``mark`` in what it carries of that."""
    ends, to = ABOUT[about]
    return unreachable(ADDRESSES[sender][family], ADDRESSES[to][family], datagram(ends, family, mark))


class Scene:
    """Containers by name, each with an address of both families, and the outside."""

    def __init__(self, pynet: Pynet, containers: list[Container]) -> None:
        self.boxes = {name: Container() for name in ("outside", "docker", *NETWORKS)}
        containers += self.boxes.values()
        connect(self.boxes["outside"])
        for network, number in ((INNER, 9), (OTHER, 8), (THIRD, 7)):
            gateways = f"10.{number}.0.1/24", f"fd00:{number}::1/64"
            pynet.driver.create_network(rq.network(network, *gateways, internal=network == INNER))
        ends = {
            name: pynet.attach(self.boxes[name], *where, guard_allow=OPTIONS.get(name, ""))
            for name, where in NETWORKS.items()
        }
        pynet.publish(ends["server"], "0.0.0.0:8081", "[::]:8081", proto=UDP)
        self.boxes["inner"].sh("ip route add default via 10.9.0.1; ip -6 route add default via fd00:9::1")
        self._connect_docker(pynet)
        self.boxes["outside"].sh("ip route add 10.0.0.0/8 via 192.0.2.1; ip -6 route add fd00::/16 via 2001:db8::1")

    def _connect_docker(self, pynet: Pynet) -> None:
        box, bridge = self.boxes["docker"], "br-0123456789ab"
        sh(f"ip link add {bridge} type bridge; ip link set {bridge} up")
        sh(f"ip link add veth0a1b2c3 master {bridge} up type veth peer name docker0c")
        sh(f"ip addr add 10.6.0.1/24 dev {bridge}; ip addr add fd00:6::1/64 dev {bridge} nodad")
        routes = "ip route add default via 10.6.0.1", "ip -6 route add default via fd00:6::1"
        box.take("docker0c", "ip addr add 10.6.0.2/24 dev eth0", "ip addr add fd00:6::2/64 dev eth0 nodad", *routes)
        pynet.firewall.set_docker_bridges(frozenset({bridge}))

    def send(self, name: str, *packets: bytes) -> None:
        """Let a box send IP packets."""
        words = " ".join(each.hex() for each in packets)
        self.boxes[name].sh(f"{sys.executable} {SCRIPT} send {words}")

    @contextmanager
    def hearing(self, heard: set[tuple[str, str]]) -> Iterator[None]:
        """Collect (who, mark) of everything that arrives anywhere."""
        listeners = {name: self._listener(name) for name in self.boxes}
        yield
        time.sleep(0.5)  # what is on its way needs a moment
        for name, listener in listeners.items():
            heard |= {(name, mark) for mark in listener.communicate(timeout=20)[0].decode().split("\n") if mark}

    def _listener(self, name: str) -> "subprocess.Popen[bytes]":
        link = "in0" if name == "outside" else "eth0"
        enter = ["nsenter", "-n", "-t", str(self.boxes[name].pid), "--"]
        command = [*enter, sys.executable, SCRIPT, "hear", link]
        listener = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert listener.stdout is not None
        listener.stdout.readline()
        return listener


@pytest.fixture
def scene(pynet: Pynet, containers: list[Container], bridged_rules: str) -> Scene:
    """Three networks, one of them internal, one of Docker's, the outside, and flows between them."""
    scene = Scene(pynet, containers)
    for switch in ("iptables", "ip6tables"):
        Path(f"/proc/sys/net/bridge/bridge-nf-call-{switch}").write_text(bridged_rules)
    for name, ends in FLOWS.items():
        for family in (0, 1):
            scene.send(ends[0], datagram(ends, family, f"<{name}>"))
    return scene


def heard_marks(scene: Scene, cases: Sequence[tuple[str, Callable[[int, str], bytes]]]) -> set[tuple[str, str]]:
    """Send each case in both families, marked "NUMBER FAMILY", and return who heard which mark."""
    heard: set[tuple[str, str]] = set()
    with scene.hearing(heard):
        for number, (sender, make) in enumerate(cases):
            scene.send(sender, *(make(family, f"<{number} {family}>") for family in (0, 1)))
    return heard


def passed(lines: Sequence[Line], heard: set[tuple[str, str]]) -> dict[tuple[Line, int], bool]:
    """Say of each line and family whether who would hear it did."""
    return {
        (line, family): (line[2], f"{number} {family}") in heard
        for number, line in enumerate(lines)
        for family in (0, 1)
    }


@pytest.mark.parametrize("bridged_rules", ["0", "1"])
def test_an_error_passes_only_within_flows_of_its_own_network(scene: Scene) -> None:
    """A line of ``ERRORS`` passes or not, in both families, with rules for bridged packets and without."""
    heard = heard_marks(scene, [(sender, partial(error, sender, about)) for sender, about, _, _ in ERRORS])

    found = passed(ERRORS, heard)
    assert found == {(line, family): line[3] for line, family in found}


@pytest.mark.parametrize("bridged_rules", ["0", "1"])
def test_a_forged_answer_reaches_nobody(scene: Scene) -> None:
    """A sender that knows the ends of a flow gets no forged answer into it from elsewhere, by line of ``FORGED``."""
    heard = heard_marks(scene, [(sender, partial(datagram, ends)) for sender, ends, _, _ in FORGED])

    found = passed(FORGED, heard)
    assert found == {(line, family): line[3] for line, family in found}
