"""Every packet that the tables drop is counted by reason, sender and receiver, and packets that pass are not."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest

from netlink.counters import Counters
from netlink.errors import InUse
from netlink.nflog import LISTENERS, PacketLog
from plugin.engine.names import Known
from plugin.firewall.reasons import LOG_GROUP, LOG_PREFIX, SNAPLEN
from plugin.model.names import bridge_name, host_link_name
from plugin.observe.drops import Drops
from plugin.protocol.drop_messages import DropEnd
from plugin.protocol.messages import EndpointRef
from tests.kernel.container import Container
from tests.kernel.pynet import Pynet, connect
from tests.kernel.wire.single import between, passes
from tests.unit import requests as rq

WEB, DB, CLOSED = "02" * 32, "03" * 32, "04" * 32  # endpoints; the last is on an internal network
INTERNAL_ID, GATEWAYS = "e" * 64, ("10.7.0.1/24", "fd00:7::1/64")


def shown(end: DropEnd) -> str:
    """Return the endpoint or the address."""
    return end.endpoint or str(end.address)


class Place(NamedTuple):
    """A pynet with containers on three networks, and a machine outside."""

    pynet: Pynet
    web: Container
    database: Container
    closed: Container
    outside: Container

    def dropped(self) -> set[tuple[str, str, str, str]]:
        """Return reason, network, sender and receiver of everything that was dropped: endpoints or addresses."""
        return {
            (each.reason, each.network, shown(each.sender), shown(each.receiver))
            for each in Drops(Counters(), self.pynet.store, "pynet", Known).reports()
        }


@pytest.fixture
def place(pynet: Pynet, containers: list[Container]) -> Place:
    """A web server, a database on another network, a container of an internal network, and a machine outside."""
    containers += [Container() for _ in range(4)]
    web, database, closed, outside = containers
    connect(outside)
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24", "fd00:8::1/64"))
    pynet.driver.create_network(rq.network(INTERNAL_ID, *GATEWAYS, internal=True))
    pynet.attach(web, rq.NETWORK_ID, 2)
    pynet.attach(database, rq.OTHER_ID, 3)
    pynet.attach(closed, INTERNAL_ID, 4)
    closed.sh("ip route add default via 10.7.0.1; ip -6 route add default via fd00:7::1")
    outside.sh("ip route add 10.0.0.0/8 via 192.0.2.1; ip -6 route add fd00::/16 via 2001:db8::1")
    return Place(pynet, web, database, closed, outside)


ATTEMPTS: Mapping[str, tuple[Callable[[Place], object], tuple[str, str, str, str]]] = {
    "another network": (
        lambda place: place.web.reaches("10.8.0.3"),
        ("isolation", rq.OTHER_ID, WEB, DB),
    ),
    "another network by IPv6": (
        lambda place: place.web.asks("fd00:8::3", 80),
        ("isolation", rq.OTHER_ID, WEB, DB),
    ),
    "from outside": (
        lambda place: place.outside.asks("10.9.0.2", 80),
        ("isolation", rq.NETWORK_ID, "192.0.2.9", WEB),
    ),
    "out of an internal network": (
        lambda place: place.closed.reaches("192.0.2.9"),
        ("internal_out", INTERNAL_ID, CLOSED, "192.0.2.9"),
    ),
    "into an internal network": (
        lambda place: place.outside.reaches("fd00:7::4"),
        ("internal_in", INTERNAL_ID, "2001:db8::9", CLOSED),
    ),
    "another address of the host": (
        lambda place: place.closed.reaches("10.9.0.1"),
        ("internal_host", INTERNAL_ID, CLOSED, "10.9.0.1"),
    ),
    "the gateway of an internal network": (
        lambda place: place.web.reaches("10.7.0.1"),
        ("internal_gateway", rq.NETWORK_ID, WEB, "10.7.0.1"),
    ),
    "the host's loopback": (
        lambda place: place.web.sh(
            "sysctl -qw net.ipv4.conf.all.route_localnet=1; ip addr del 127.0.0.1/8 dev lo; "
            "ip route add 127.0.0.1 via 10.9.0.1; ping -c 1 -W 1 127.0.0.1 || true"
        ),
        ("loopback", rq.NETWORK_ID, WEB, "127.0.0.1"),
    ),
}


def test_packets_that_are_dropped_are_counted_by_who_and_why(place: Place) -> None:
    """Packets that may not pass are counted by reason, network and both ends, and no others are."""
    for act, _ in ATTEMPTS.values():
        act(place)

    assert place.dropped() == {expected for _, expected in ATTEMPTS.values()}
    assert place.pynet.firewall.differences() == []


def test_packets_that_pass_are_not_counted(place: Place) -> None:
    """Published ports, answers, the way out and the way to the host's own services count nothing."""
    place.database.echo()
    place.pynet.publish(EndpointRef(rq.OTHER_ID, DB), "8080")
    assert place.web.asks("192.0.2.1", 8080) != ""
    assert place.web.reaches("192.0.2.9")
    assert place.closed.reaches("10.7.0.1")
    assert place.web.reaches("fd00:9::1")

    assert place.dropped() == set()


def test_a_neighbour_without_icc_is_counted_by_ports(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Where containers of a network do not reach each other, the sender is counted."""
    pynet.driver.create_network(rq.network(options={"com.docker.network.bridge.enable_icc": "false"}))
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)
    mac = two[1].sh("cat /sys/class/net/eth0/address").strip()
    two[0].sh(f"ip neigh add 10.9.0.3 lladdr {mac} dev eth0; ping -c 1 -W 1 10.9.0.3 || true")
    found = Drops(Counters(), pynet.store, "pynet", Known).reports()

    assert [(each.reason, each.sender.endpoint, each.packets) for each in found if each.reason == "icc"] == [
        ("icc", "02" * 32, 1)
    ]


def test_who_sends_from_many_addresses_is_still_refused_and_counted(place: Place) -> None:
    """When the room for addresses is used up, each packet is dropped and counted by its links."""
    elements = ", ".join(f'0x13 . "out0" . 198.18.{n >> 8}.{n & 255} . 10.9.0.2 counter' for n in range(8192))
    place.pynet.nft.apply(f"add element inet pynet drops4 {{ {elements} }}")
    assert place.outside.asks("10.9.0.2", 80) == ""

    assert sum(each.packets for each in Counters().counted("inet", "pynet", "drops")) > 0


def test_dropped_packets_are_logged_while_somebody_listens(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """The listener hears the reason, the packet and the port; nobody else can listen, and nothing is left after it."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)
    with PacketLog(LOG_GROUP, SNAPLEN) as log:
        with pytest.raises(InUse, match="the kernel lets only one program do so, and another one already does"):
            PacketLog(LOG_GROUP, SNAPLEN)
        assert not passes("ARP probe for no address", between(3, 2), two[1], two[0])  # Engine 28 does
        assert not passes("IPv4 of a neighbour", between(3, 2), two[1], two[0])
        (packet,) = [each for each in log.packets(0.5) if each.prefix == f"{LOG_PREFIX}address"]

    assert (packet.port_in, packet.link_in) == (host_link_name("03" * 32), bridge_name(rq.NETWORK_ID))
    assert packet.headers.protocol == "udp"
    assert LISTENERS.read_text() == ""
