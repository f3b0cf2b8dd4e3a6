"""Tracked flows are forgotten on a real kernel."""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from netlink.conntrack import Conntrack, TrackedFlow, UdpPort
from tests.kernel.container import sh

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]

ANY, ANY6, LOOPBACK = IPv4Address(0), IPv6Address(0), ip_address("127.0.0.1")
CONTAINER, REMOTE = ip_address("10.99.0.2"), ip_address("10.99.0.9")  # beyond the link of the host's 10.99.0.1
TRACKING = (
    "add table inet t; add chain inet t c { type nat hook output priority -100; }; add rule inet t c ct state new"
)
CARRIED = "add rule inet t c ip daddr 10.99.0.1 udp dport 53 dnat ip to 10.99.0.2:5353"


@pytest.fixture(autouse=True)
def tracking(host: None) -> None:
    """Let the kernel track, on a host with a link of 10.99.0.0/24 and fd99::/64."""
    del host
    sh("ip link add lan type bridge; ip addr add 10.99.0.1/24 dev lan; ip addr add fd99::1/64 dev lan nodad")
    sh(f"ip link set lan up; nft '{TRACKING}'")


@pytest.fixture
def flows() -> Iterator[None]:
    """Flows to port 53 of the loopback, of both addresses of the host, of a remote of each family; 5353 of a remote."""
    places = [("127.0.0.1", 53), ("10.99.0.1", 53), ("10.99.0.9", 53), ("fd99::1", 53), ("fd99::9", 53)]
    for address, port in [*places, ("10.99.0.9", 5353)]:
        send(address, port)
    with socket.create_server(("127.0.0.1", 53)), socket.create_connection(("127.0.0.1", 53)):
        yield


def send(address: str, port: int, source: tuple[str, int] | None = None) -> None:
    """Send one datagram, so that the kernel tracks a flow."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        if source:
            sender.bind(source)
        sender.sendto(b"x", (address, port))


def forget(*ports: UdpPort) -> int:
    """Say how many flows went."""
    return Conntrack().forget_udp(ports)


@pytest.mark.usefixtures("flows")
def test_only_flows_to_the_address_of_a_place_are_forgotten() -> None:
    """Flows to the same port of another address of the host, of a remote, or of TCP stay."""
    place = UdpPort(CONTAINER, 80, LOOPBACK, 53)
    assert [forget(place), forget(place)] == [1, 0]
    assert forget(UdpPort(CONTAINER, 80, ip_address("10.99.0.1"), 53)) == 1


@pytest.mark.usefixtures("flows")
@pytest.mark.parametrize(("everywhere", "count"), [(ANY, 2), (ANY6, 1)])
def test_every_address_of_the_host_is_none_beyond_it(everywhere: IPv4Address | IPv6Address, count: int) -> None:
    """Flows to every address of the host are forgotten, but not those to the same port of other machines."""
    assert forget(UdpPort(CONTAINER, 80, everywhere, 53)) == count
    assert forget(UdpPort(CONTAINER, 80, REMOTE, 53)) == 1


def test_addresses_of_a_local_route_are_the_hosts_own() -> None:
    """Addresses of a local route count as the host's own, as for nft's ``fib daddr type local``."""
    sh("ip route add local 10.98.0.0/24 dev lo")
    send("10.98.0.7", 53)

    assert forget(UdpPort(CONTAINER, 80, ANY, 53)) == 1


@pytest.mark.parametrize("rule", ["", CARRIED])
def test_flows_that_would_now_be_translated_are_forgotten(rule: str) -> None:
    """Flows that a new port would translate are forgotten, whoever answered them so far."""
    sh(f"nft '{rule}'")
    send("10.99.0.1", 53)

    assert forget(UdpPort(ip_address("10.99.0.3"), 80, ANY, 53)) == 1


def test_flows_that_the_target_answers_are_forgotten() -> None:
    """Flows that the target answers are forgotten, through an old binding or directly; those of other ports stay."""
    sh(f"nft '{CARRIED}'")
    send("10.99.0.1", 53)
    send("10.99.0.2", 5353)
    send("10.99.0.2", 5354)

    assert forget(UdpPort(CONTAINER, 5353)) == 2


def test_a_containers_own_flows_are_kept() -> None:
    """A container's own flows from its published port are kept."""
    for port in (53, 5353):
        send("10.99.0.9", port, source=("10.99.0.1", 5353))

    assert forget(UdpPort(ip_address("10.99.0.1"), 5353, ANY, 53)) == 0


@pytest.mark.usefixtures("flows")
def test_flows_of_any_protocol_are_forgotten_by_judgement() -> None:
    """The judge sees the ends of each flow, translated ones too, of both families; what it spares stays."""
    sh(f"nft '{CARRIED}'")
    send("10.99.0.1", 53, ("10.99.0.1", 5000))
    seen: list[TrackedFlow] = []
    assert Conntrack().forget(lambda flow: bool(seen.append(flow))) == 0  # type: ignore[func-returns-value]

    assert any(flow.proto == 6 and (flow.port, flow.target) == (53, LOOPBACK) for flow in seen)
    assert any(flow.destination.version == 6 for flow in seen)
    assert [(flow.port, flow.target, flow.target_port) for flow in seen if flow.target != flow.destination] == [
        (53, CONTAINER, 5353)
    ]
    assert Conntrack().forget(lambda flow: flow.proto == 17) == len([flow for flow in seen if flow.proto == 17])
    assert Conntrack().forget(lambda flow: flow.proto == 17) == 0
