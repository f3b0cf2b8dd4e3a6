"""Counters of endpoints and of published ports, read when somebody asks: the kernel counts them anyway.

An endpoint's counters are those of its link on the host, whose directions are the other way round. nftables counts the
connections of a published port in the element that translates it.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from netlink.errors import Missing
from netlink.nft_elements import Element
from netlink.statistics import LinkCounts
from plugin.firewall.elements import PROTOCOLS, translation
from plugin.interfaces import Statistics
from plugin.model.names import host_end
from plugin.model.records import Endpoint, Network, Published
from plugin.protocol.traffic_messages import Counts, EndpointTraffic, NetworkTraffic, PortTraffic, Traffic
from plugin.store.base import Store

Counted = Mapping[Element, int]


class Seen(NamedTuple):
    """Connections of a port: those ``before`` the kernel last began to count anew, and its count at the last look."""

    before: int
    last: int


class ConnectionTotals:
    """Adds up connections by endpoint and element: the kernel counts anew whenever the tables are written whole.

    Connections between the last look and that moment are lost. Ports of endpoints that are gone are forgotten.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, Element], Seen] = {}
        self._lock = threading.Lock()

    def totals(self, counted: Mapping[tuple[str, Element], int]) -> dict[tuple[str, Element], int]:
        """Return the connections of each port since it was published; ``counted`` has all ports with their counts."""
        with self._lock:
            self._seen = {key: self._next(key, count) for key, count in counted.items()}
            return {key: seen.before + seen.last for key, seen in self._seen.items()}

    def _next(self, key: tuple[str, Element], count: int) -> Seen:
        before, last = self._seen.get(key, Seen(0, 0))
        return Seen(before, count) if count >= last else Seen(before + last, count)


class TrafficReader:
    """Reads the counters of all endpoints; ``table`` is the name of pynet's nftables tables."""

    def __init__(
        self, store: Store, statistics: Statistics, table: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._statistics = statistics
        self._table = table
        self._clock = clock
        self._connections = ConnectionTotals()

    def read(self) -> Traffic:
        """Return the counters of all networks and endpoints.

        Raises:
            KernelError: the kernel cannot be asked.
        """
        networks = [item.record for item in self._store.list(Network)]
        return self.of(networks, [item.record for item in self._store.list(Endpoint)])

    def of(self, networks: Iterable[Network], endpoints: Collection[Endpoint]) -> Traffic:
        """Return the counters of these networks with all their endpoints; raises as ``read``."""
        links = self._statistics.links([link for endpoint in endpoints if (link := host_end(endpoint))])
        totals = self._totals(endpoints)
        ends: dict[str, list[EndpointTraffic]] = defaultdict(list)
        for endpoint in endpoints:
            ends[endpoint.network_id].append(_endpoint(endpoint, links, totals))
        found = [NetworkTraffic(one.id, one.mode, one.link, ends[one.id]) for one in networks]
        return Traffic(self._clock(), found)

    def _totals(self, endpoints: Iterable[Endpoint]) -> Mapping[tuple[str, Element], int]:
        keys = [(end.id, element) for end in endpoints for port in end.published if (element := translation(port))]
        counted: dict[Element, int] = {}
        for of in dict.fromkeys(element.of for _, element in keys):
            with suppress(Missing):  # the tables are being written
                counted |= {Element(of, one): count for one, count in self._statistics.counted(self._table, of).items()}
        return self._connections.totals({key: counted.get(key[1], 0) for key in keys})


def _endpoint(
    endpoint: Endpoint, links: Mapping[str, LinkCounts], totals: Mapping[tuple[str, Element], int]
) -> EndpointTraffic:
    link = host_end(endpoint)
    counts, ports = links.get(link), [_port(endpoint.id, port, totals) for port in endpoint.published]
    if counts is None:
        return EndpointTraffic(endpoint.id, link, None, None, ports)
    received = Counts(counts.tx_bytes, counts.tx_packets, counts.tx_dropped, counts.tx_errors)
    sent = Counts(counts.rx_bytes, counts.rx_packets, counts.rx_dropped, counts.rx_errors)
    return EndpointTraffic(endpoint.id, link, received, sent, ports)


def _port(endpoint: str, port: Published, totals: Mapping[tuple[str, Element], int]) -> PortTraffic:
    element = translation(port)
    connections = totals[endpoint, element] if element else None
    return PortTraffic(PROTOCOLS[port.proto], port.host, port.host_port, port.target, port.port, connections)
