"""Counters of endpoints and published ports, as the verb Traffic answers them."""

from ipaddress import ip_address

import pytest

from netlink.statistics import LinkCounts
from plugin.firewall.elements import translation
from plugin.model.records import Endpoint, Network, Published
from plugin.observe.counters import TrafficReader
from plugin.protocol.traffic_messages import Counts, EndpointTraffic, PortTraffic
from plugin.store.base import Put, Remove
from plugin.store.memory import MemoryStore
from tests.fake_statistics import FakeStatistics

TO = ip_address("10.9.0.2")
PORT = Published(6, 80, TO, ip_address("0.0.0.0"), 8080)
RELAYED = Published(6, 80, TO, ip_address("::"), 8080)
ROUTED = Published(17, 53, TO)
END = Endpoint("e0", "n", "02:00:00:00:00:01", published=(PORT, RELAYED, ROUTED))


class Host:
    """A network "n" with the endpoint "e0", and the kernel's counts."""

    def __init__(self) -> None:
        self.store, self.statistics = MemoryStore(), FakeStatistics()
        self.store.transact(Put(Network("n", "bridge", "pn-n")), Put(END))
        self.reader = TrafficReader(self.store, self.statistics, "pynet", lambda: 5.0)

    def counted(self, count: int) -> int | None:
        """Return the connections that are answered if the kernel says ``count``."""
        element = translation(PORT)
        assert element
        self.statistics.of_elements = {element: count}
        return self.endpoint().ports[0].connections

    def endpoint(self) -> EndpointTraffic:
        """Return the answer about the endpoint."""
        return self.reader.read().networks[0].endpoints[0]


@pytest.fixture
def host() -> Host:
    """Return a host without traffic."""
    return Host()


def test_received_is_what_the_hosts_end_sends(host: Host) -> None:
    """The directions of an endpoint are those of its container, and a link that is gone has no counts."""
    assert (host.endpoint().received, host.endpoint().sent) == (None, None)
    host.statistics.of_links["pnhe0"] = LinkCounts(1, 2, 3, 4, 5, 6, 7, 8)

    assert host.endpoint().received == Counts(bytes=4, packets=2, drops=8, errors=6)
    assert host.endpoint().sent == Counts(bytes=3, packets=1, drops=7, errors=5)
    assert host.reader.read().time == 5.0


def test_ports_that_nftables_does_not_translate_have_no_count(host: Host) -> None:
    """Relayed and routed ports are listed, and their connections are unknown instead of none."""
    assert host.endpoint().ports == [
        PortTraffic("tcp", PORT.host, 8080, TO, 80, 0),
        PortTraffic("tcp", RELAYED.host, 8080, TO, 80, None),
        PortTraffic("udp", None, 0, TO, 53, None),
    ]


def test_connections_go_on_when_the_kernel_counts_anew(host: Host) -> None:
    """A rewritten table starts at none, and so does a table that is missing for a moment."""
    assert [host.counted(count) for count in (7, 9, 2, 3)] == [7, 9, 11, 12]
    host.statistics.tables = False
    assert host.counted(3) == 12
    host.statistics.tables = True
    assert host.counted(1) == 13


def test_a_new_endpoint_begins_at_none(host: Host) -> None:
    """The next container with the same address and port does not get its predecessor's connections."""
    host.counted(9)
    host.store.transact(Remove(Endpoint, END.key), Put(Endpoint("e1", "n", END.mac, published=(PORT,))))

    assert host.counted(1) == 1
    assert host.reader.read().networks[0].endpoints[0].id == "e1"
