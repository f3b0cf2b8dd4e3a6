"""Access of an internal network to the host, and access of others to the host at the gateway's address."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.kernel.container import ECHO, PROBE, Container, host_asks, sh
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

pytestmark = pytest.mark.usefixtures("echo")
GATEWAYS = ("10.9.0.1/24", "fd00:9::1/64")
INTERNAL_TO_HOST = {  # the host answers on port 7777 of every address
    ("10.9.0.1", "tcp"): True,
    ("fd00:9::1", "udp"): True,
    ("192.0.2.1", "tcp"): False,
    ("2001:db8::1", "tcp"): False,
    ("10.8.0.1", "udp"): False,
    ("fd00:8::1", "udp"): False,
    ("LINK LOCAL%eth0", "tcp"): False,
    ("LINK LOCAL%eth0", "udp"): False,
}


@pytest.fixture
def echo() -> Iterator[None]:
    """Something on port 7777 of the host."""
    command = [sys.executable, ECHO, "7777"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as echo:
        assert echo.stdout is not None
        echo.stdout.readline()
        yield
        echo.communicate()


@pytest.fixture
def pair(pynet: Pynet, two: tuple[Container, Container]) -> tuple[Container, Container]:
    """A container of an internal network that sends everything to its gateway, and a machine outside."""
    container, outside = two
    connect(outside)
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, *GATEWAYS, internal=True))
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24", "fd00:8::1/64"))
    pynet.attach(container, rq.NETWORK_ID, 2)
    container.sh("ip route add default via 10.9.0.1; ip -6 route add default via fd00:9::1")
    outside.sh("ip route add 10.9.0.0/24 via 192.0.2.1; ip -6 route add fd00:9::/64 via 2001:db8::1")
    return container, outside


def link_local(link: str) -> str:
    """Return the host's own address of a link."""
    return sh(f"ip -6 -o addr show {link} scope link").split()[3].split("/")[0]


def test_an_internal_network_reaches_the_host_at_its_gateway_alone(pair: tuple[Container, Container]) -> None:
    """An internal network reaches the host only at its gateway address, by line of ``INTERNAL_TO_HOST``."""
    own = link_local(f"pn-{rq.NETWORK_ID[:12]}")
    found = {
        (address, kind): pair[0].asks(address.replace("LINK LOCAL", own), 7777, kind) != ""
        for address, kind in INTERNAL_TO_HOST
    }

    assert found == INTERNAL_TO_HOST
    assert [pair[0].reaches(address) for address in ("10.9.0.1", "fd00:9::1", "192.0.2.1")] == [True, True, False]


def test_the_host_reaches_containers_of_an_internal_network(pair: tuple[Container, Container]) -> None:
    """The host reaches containers of an internal network, and gets their ICMP errors too."""
    pair[0].echo()

    for address in ("10.9.0.2", "fd00:9::2"):
        assert host_asks(address, 7777) != ""
        assert host_asks(address, 7777, "udp") != ""
        asked = subprocess.run(
            [sys.executable, PROBE, "udp", address, "9"], capture_output=True, timeout=20, check=False
        )
        assert b"refused" in asked.stderr


@pytest.mark.parametrize("address", ["10.9.0.1", "fd00:9::1"])
def test_the_gateway_of_an_internal_network_is_for_its_containers(
    pynet: Pynet, pair: tuple[Container, Container], containers: list[Container], address: str
) -> None:
    """Only its containers and the host itself reach the gateway address of an internal network."""
    containers.append(Container())
    pynet.attach(containers[-1], rq.OTHER_ID, 3)

    assert pair[1].asks(address, 7777) == ""
    assert containers[-1].asks(address, 7777) == ""
    assert not pair[1].reaches(address)
    assert host_asks(address, 7777) != ""
    assert pair[1].asks("192.0.2.1", 7777) != ""


def test_an_isolated_network_reaches_nothing_of_the_host(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """An isolated network reaches nothing of the host, not even by packets to the bridge's MAC."""
    options = {"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))
    pynet.driver.create_network(rq.network(internal=True, options=options))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    mac = sh(f"ip -o link show pn-{rq.NETWORK_ID[:12]} | grep -o 'ether [^ ]*'").split()[1]
    two[0].sh(f"ip neigh add 10.9.0.99 lladdr {mac} dev eth0; ip route add default via 10.9.0.99")

    assert two[0].asks("10.8.0.1", 7777) == ""


def test_a_bridge_of_the_users_is_still_the_hosts(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """An internal network on a bridge that leads to a LAN does not cut the host off from that."""
    sh("ip link add br-lan type bridge; ip addr add 198.51.100.1/24 dev br-lan; ip link set br-lan up")
    options = {"com.docker.network.bridge.name": "br-lan"}
    pynet.driver.create_network(rq.network(internal=True, options=options))
    sh("ip link add lan0 master br-lan up type veth peer name lan0c")
    two[1].take("lan0c", "ip addr add 198.51.100.9/24 dev eth0")

    assert two[1].asks("198.51.100.1", 7777) == "198.51.100.9"
    assert two[1].asks("10.9.0.1", 7777) == ""


def test_loopback_is_no_source_of_a_container(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Packets of containers from 127.0.0.0/8 are dropped, also without a guard."""
    options = {"pynet.guard": "off"}
    pynet.driver.create_network(rq.network(options=options))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    two[0].sh("ip addr add 127.0.0.9/32 dev eth0; sysctl -qw net.ipv4.conf.all.route_localnet=1")
    sh('nft add table inet see; nft add chain inet see in "{ type filter hook input priority 0; }"')
    sh("nft add rule inet see in ip saddr 127.0.0.9 counter")
    two[0].sh("ping -c 1 -W 1 -I 127.0.0.9 10.9.0.1 || true")

    assert "packets 0 " in sh("nft list chain inet see in")


def test_a_port_outside_of_its_bridge_is_no_way_to_the_host(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Packets that enter by a port itself, outside of its bridge, are dropped."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    port = f"pnh{'02' * 6}"
    sh(f"ip link set {port} nomaster; ip addr add 10.5.0.1/24 dev {port}")
    two[0].sh("ip addr add 10.5.0.2/24 dev eth0")

    assert not two[0].reaches("10.5.0.1")
    sh('nft delete rule inet pynet input handle $(nft -a list chain inet pynet input | grep pnh | sed "s/.*handle //")')
    assert two[0].reaches("10.5.0.1")


def test_a_port_outside_of_its_bridge_is_no_way_through_the_host(
    pynet: Pynet, two: tuple[Container, Container]
) -> None:
    """Packets that enter by a port itself, outside of its bridge, are not forwarded."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    connect(two[1])
    port = f"pnh{'02' * 6}"
    sh(f"ip link set {port} nomaster; ip addr add 10.5.0.1/24 dev {port}; sysctl -w net.ipv4.conf.{port}.forwarding=1")
    two[0].sh("ip addr add 10.5.0.2/24 dev eth0; ip route add 192.0.2.0/24 via 10.5.0.1")
    two[1].sh("ip route add 10.5.0.0/24 via 192.0.2.1")
    sh("nft flush set inet pynet pynet_forwarding")

    assert not two[0].reaches("192.0.2.9")
    rule = sh("nft -a list chain inet pynet forward | grep pnh").split()[-1]
    sh(f"nft delete rule inet pynet forward handle {rule}")
    assert two[0].reaches("192.0.2.9")
