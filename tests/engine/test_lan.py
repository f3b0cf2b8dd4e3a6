"""Containers on a bridge of the user's, by real engines: reached, restarted, and the bridge as it was."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.engine.lab.host import Host
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene
from tests.engine.lab.service import Plugin, command, published_by_pynet
from tests.engine.lab.shell import CommandFailed
from tests.kernel.container import Container as Machine

BRIDGE, HOST, NEIGHBOUR, HOST6, NEIGHBOUR6 = "br0", "192.168.50.5", "192.168.50.9", "fd00:50::5", "fd00:50::9"
FORGED = "192.168.50.77"
SUBNETS = ("--subnet", "192.168.50.0/24", "--gateway", NEIGHBOUR, "--ipv6", "--subnet", "fd00:50::/64")
LAN = ("-o", "pynet.mode=lan", "-o", f"parent={BRIDGE}", *SUBNETS, "--gateway", NEIGHBOUR6)


@pytest.fixture
def neighbour(host: Host) -> Iterator[Machine]:
    """A machine on the LAN that the host's bridge br0 leads to."""
    machine = Machine()
    host.net("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", str(machine.pid))
    for words in (
        f"link add {BRIDGE} type bridge",
        f"link set lan0 master {BRIDGE} up",
        f"address add {HOST}/24 dev {BRIDGE}",
        f"address add {HOST6}/64 dev {BRIDGE} nodad",
        f"link set {BRIDGE} up",
    ):
        host.net("ip", *words.split())
    machine.sh(f"ip addr add {NEIGHBOUR}/24 dev eth0; ip addr add {NEIGHBOUR6}/64 dev eth0 nodad; ip link set eth0 up")
    wait_until(lambda: "state UP" in host.net("ip", "link", "show", BRIDGE), "the bridge to have a carrier")
    yield machine
    for link in ("lan0", BRIDGE):
        host.net("ip", "link", "del", link)
    machine.end()


def own_view(host: Host) -> str:
    """Return what the host's tools tell of the bridge itself."""
    shown = host.net("ip", "-o", "link", "show", BRIDGE) + host.net("ip", "-o", "address", "show", BRIDGE)
    return shown.replace(" tentative", "") + host.net("sysctl", "-a", "--pattern", rf"conf\.{BRIDGE}\.")


def _is_well(host: Host) -> bool:
    try:
        return "repairs:    none" in command(host, "status")
    except CommandFailed:
        return False


@pytest.fixture
def lan(pynet_scene: Scene, neighbour: Machine) -> Scene:
    """The scene, with a LAN."""
    del neighbour
    return pynet_scene


def test_containers_reach_the_lan_and_each_other(lan: Scene, neighbour: Machine) -> None:
    """By address and by name, in both families, from both sides; nothing of the bridge changes."""
    before = own_view(lan.host)
    net = lan.network(*LAN)
    one, two = lan.containers(net, 2)

    assert all(one.reaches(place) for place in (NEIGHBOUR, NEIGHBOUR6, HOST, two.name, two.ip6(net)))
    assert all(neighbour.reaches(place) for place in (one.ip(net), one.ip6(net)))
    assert f"default via {NEIGHBOUR} dev eth0" in one.exec("ip", "route")
    assert "docker_gwbridge" not in lan.host.net("ip", "-o", "link")
    assert own_view(lan.host) == before


def test_they_outlive_restarts(lan: Scene, neighbour: Machine, pynet: Plugin) -> None:
    """Of the container, of pynet, which containers do not notice, and of the engine."""
    net = lan.network(*LAN)
    one, two = lan.containers(net, 2, "--restart", "always")
    lan.host.docker("restart", "-t", "0", one.name)
    assert one.reaches(two.name)

    pynet.restart()
    assert neighbour.reaches(two.ip(net))
    wait_until(lambda: _is_well(lan.host), "pynet to have nothing to repair", 10)
    lan.host.stop_engine()
    lan.host.start_engine()
    assert one.reaches(NEIGHBOUR)
    assert two.reaches(one.name)


def test_what_it_cannot_do_is_refused(lan: Scene) -> None:
    """With a sentence that docker shows."""
    assert "needs one bridge of yours: -o parent=br0" in lan.refused("-o", "pynet.mode=lan", *SUBNETS)
    assert "there is no bridge 'br9' on this host" in lan.refused("-o", "pynet.mode=lan", "-o", "parent=br9", *SUBNETS)


@pytest.fixture
def talking(lan: Scene) -> Iterator[Container]:
    """A container with a port that pings the neighbour all the time."""
    box = lan.container(lan.network(*LAN), "-p", "8080:80")
    words = ["nsenter", f"--net={box.namespace}", "--", "ping", "-q", "-i", "0.1", NEIGHBOUR]
    ping = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    yield box
    ping.kill()
    ping.wait()


def test_its_packets_are_seen_as_in_bridge_mode(talking: Container) -> None:
    """Captured on its port, and followed through the rules of the bridge family to the neighbour."""
    lines = command(talking.host, "capture", talking.name, "icmp", "-c", "2", "--seconds", "60")
    trace = command(talking.host, "trace", talking.name, NEIGHBOUR, "icmp", "-n", "1", "--for", "60s")

    assert all(pair in lines for pair in (f"> {NEIGHBOUR} echo request", f"{NEIGHBOUR} > "))
    assert "bridge pynet guard [the guard]" in trace
    assert "=> no rule drops it" in trace


def test_a_forged_sender_is_told_and_its_port_is_said_to_be_open(talking: Container, neighbour: Machine) -> None:
    """The guard's drop has its reason; Docker's ``-p`` publishes nothing, and says where the port is."""
    talking.net("ip", "addr", "add", FORGED, "dev", "eth0")
    with pytest.raises(CommandFailed):
        talking.net("ping", "-c", "1", "-W", "1", "-I", FORGED, NEIGHBOUR)

    assert "from an address that it was not given" in command(talking.host, "drops", talking.name)
    assert not neighbour.reaches(FORGED)
    rows = [row for row in published_by_pynet(talking.host) if row["container"] == talking.name]
    assert {row["container_port"] for row in rows} == {80}
    assert "not published" in command(talking.host, "ports")
