"""Counters of a real kernel: links, and connections of published ports."""

from ipaddress import ip_address

import pytest

from netlink import nft_listing
from netlink.errors import Missing
from netlink.statistics import Statistics
from plugin.firewall.sets import PUBLISHED_ANY, SETS
from plugin.observe.counters import TrafficReader
from plugin.protocol.traffic_messages import EndpointTraffic
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

NETS = ("10.9.0.1/24", "fd00:9::1/64")


@pytest.fixture
def reader(pynet: Pynet) -> TrafficReader:
    """Return a reader of the counters of ``pynet``."""
    return TrafficReader(pynet.store, Statistics(), "pynet")


def endpoint(reader: TrafficReader) -> EndpointTraffic:
    """Return the traffic of the only endpoint."""
    return reader.read().networks[0].endpoints[0]


def test_connections_of_a_published_port_are_counted(
    pynet: Pynet, two: tuple[Container, Container], reader: TrafficReader
) -> None:
    """Each connection counts once, however many packets it has, in both families, and also past rewritten tables."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, *NETS))
    connect(two[1])
    two[0].echo()
    pynet.publish(pynet.attach(two[0], rq.NETWORK_ID, 2), "8080")
    for address in ("192.0.2.1", "192.0.2.1", "2001:db8::1"):
        assert two[1].asks(address, 8080)

    assert {str(port.host_ip): port.connections for port in endpoint(reader).ports} == {"0.0.0.0": 2, "::": 1}
    sh("nft flush ruleset")
    pynet.firewall.heal()
    assert two[1].asks("192.0.2.1", 8080)
    assert {str(port.host_ip): port.connections for port in endpoint(reader).ports} == {"0.0.0.0": 3, "::": 1}
    assert pynet.firewall.differences() == []


def test_directions_are_those_of_the_container(
    pynet: Pynet, two: tuple[Container, Container], reader: TrafficReader
) -> None:
    """Pings to a container are its received packets, and a link that is gone has none."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, *NETS))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    before = endpoint(reader).received
    sh("ping -qc 3 -i 0.05 -s 1400 10.9.0.2")
    after = endpoint(reader).received

    assert before is not None
    assert after is not None
    assert after.packets - before.packets >= 3
    assert after.bytes - before.bytes >= 3 * 1428
    two[0].sh("ip link del eth0")
    assert endpoint(reader).received is None


def test_elements_are_read_with_and_without_their_counts(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """The counts of elements that nft or a user gave more attributes than pynet does are read as well."""
    pynet.driver.create_network(rq.network())
    pynet.publish(pynet.attach(two[0], rq.NETWORK_ID, 2), "8080", "8081")
    of = PUBLISHED_ANY[4]
    plain = sorted(nft_listing.elements("pynet", of))
    sh("nft 'add element inet pynet published_ports_any4 { tcp . 9 comment \"mine\" : 10.9.0.2 . 9 }'")
    more = of.element(6, 9, ip_address("10.9.0.2"), 9).packed

    assert sorted(nft_listing.elements("pynet", of)) == sorted([*plain, more])
    assert nft_listing.counts("pynet", of) == dict.fromkeys([*plain, more], 0)
    with pytest.raises(Missing):
        nft_listing.counts("nobody", SETS[0])
