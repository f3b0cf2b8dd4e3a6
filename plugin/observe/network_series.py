"""The series about networks and endpoints, from the records and from the counters of the kernel."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from plugin.engine.names import Known, Names
from plugin.ipam.fill import fills
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.observe import metrics as m
from plugin.observe.page import Page, labels
from plugin.observe.totals import Totals
from plugin.protocol.traffic_messages import EndpointTraffic, Traffic
from plugin.store.base import R, Store

SHORT = 12  # digits of an id
ReadTraffic = Callable[[Iterable[Network], Collection[Endpoint]], Traffic]
Port = tuple[str, str, int, int]  # endpoint, protocol, port of the host and of the container
OF_ENDPOINTS = (m.RECEIVED, m.SENT, m.PACKETS_RECEIVED, m.PACKETS_SENT, m.DROPS_RECEIVED, m.DROPS_SENT)
OF_NETWORKS = (m.NETWORK_RECEIVED, m.NETWORK_SENT, m.NETWORK_PACKETS_RECEIVED, m.NETWORK_PACKETS_SENT)


def labels_of(known: Known, network: str) -> tuple[str, str]:
    """Return the labels of a network: its name, or else its short id, and its short id."""
    return known.networks.get(network) or network[:SHORT], network[:SHORT]


class NetworkSeries:
    """``most`` endpoints, and as many published ports, have series of their own. It belongs to one thread at a time."""

    def __init__(self, store: Store, names: Names, traffic: ReadTraffic, most: int) -> None:
        self._store = store
        self._names = names
        self._traffic = traffic
        self._most = most
        self._totals, self._connections = Totals[str](len(OF_ENDPOINTS)), Totals[Port](1)
        self._shown: frozenset[str] = frozenset()  # ids of endpoints that had series of their own

    def write(self, page: Page) -> None:
        """Add everything about networks and endpoints."""
        networks = {network.id: network for network in self._list(Network)}
        endpoints = [end for end in self._list(Endpoint) if end.network_id in networks]
        known = self._known(networks, endpoints)
        names = {network: labels_of(known, network) for network in networks}
        for mode, count in sorted(Counter(network.mode for network in networks.values()).items()):
            page.add(m.NETWORKS, count, mode)
        self._write_addresses(page, names, list(networks.values()), endpoints)
        traffic = self._traffic(networks.values(), endpoints).networks
        ends = {end.id: (network.id, end) for network in traffic for end in network.endpoints}
        counted = {end: _connections(one) for end, (_, one) in ends.items()}
        self._add_up(names, ends, counted)
        for one in traffic:
            page.add(m.ENDPOINTS, len(one.endpoints), *names[one.id])
            page.add(m.PORTS, sum(len(end.ports) for end in one.endpoints), *names[one.id])
            self._write_totals(page, one.id, names[one.id])
        shown = self._chosen(list(ends))
        page.add(m.LEFT_OUT, len(ends) - len(shown))
        rendered = {end: (*names[ends[end][0]], known.containers.get(end) or end[:SHORT], end[:SHORT]) for end in shown}
        for end, values in rendered.items():
            _write_endpoint(page, ends[end][1], labels(m.RECEIVED.labels, values))
        self._write_ports(page, rendered, counted)

    def _list(self, kind: type[R]) -> list[R]:
        return [item.record for item in self._store.list(kind)]

    def _known(self, networks: Iterable[str], endpoints: Iterable[Endpoint]) -> Known:
        """Return the names that are known; the engine is asked in the background for those that are not."""
        known = self._names.known
        if not (known.networks.keys() >= set(networks) and known.containers.keys() >= {end.id for end in endpoints}):
            self._names.expect()
        return known

    def _chosen(self, endpoints: Sequence[str]) -> Sequence[str]:
        """Return the endpoints with series of their own: those that had them keep them."""
        if len(endpoints) > self._most:
            endpoints = sorted(endpoints, key=lambda end: end not in self._shown)[: self._most]
        self._shown = frozenset(endpoints)
        return endpoints

    def _add_up(
        self,
        known: Mapping[str, object],
        ends: Mapping[str, tuple[str, EndpointTraffic]],
        counted: Mapping[str, Mapping[Port, int]],
    ) -> None:
        """Add up by network, for the networks that are ``known``."""
        networks = {end: network for end, (network, _) in ends.items()}
        self._totals.add(networks, {end: counts for end, (_, one) in ends.items() if (counts := _counts(one))})
        ports = {port: (count,) for of_end in counted.values() for port, count in of_end.items()}
        self._connections.add({port: networks[port[0]] for port in ports}, ports)
        self._totals.keep(known)
        self._connections.keep(known)

    def _write_totals(self, page: Page, network: str, named: tuple[str, str]) -> None:
        rendered = labels(m.NETWORK_RECEIVED.labels, named)
        *carried, lost_in, lost_out = self._totals.of(network)
        for metric, total in zip(OF_NETWORKS, carried, strict=True):
            page.add_rendered(metric, total, rendered)
        page.add_rendered(m.NETWORK_DROPS, lost_in + lost_out, rendered)
        page.add_rendered(m.NETWORK_CONNECTIONS, self._connections.of(network)[0], rendered)

    def _write_ports(
        self, page: Page, rendered: Mapping[str, Sequence[str]], counted: Mapping[str, Mapping[Port, int]]
    ) -> None:
        ports = [port for end in rendered for port in counted[end]][: self._most]
        page.add(m.PORTS_LEFT_OUT, sum(map(len, counted.values())) - len(ports))
        for end, proto, host_port, number in ports:
            count = counted[end][end, proto, host_port, number]
            page.add(m.CONNECTIONS, count, *rendered[end], proto, str(host_port), str(number))

    def _write_addresses(
        self,
        page: Page,
        names: Mapping[str, tuple[str, str]],
        networks: Sequence[Network],
        endpoints: Sequence[Endpoint],
    ) -> None:
        taken, size = defaultdict[tuple[str, str], int](int), defaultdict[tuple[str, str], int](int)
        for fill in fills(networks, endpoints, self._list(Pool), self._list(Lease)):
            if fill.network in names:
                key = fill.network, f"ipv{fill.subnet.version}"
                taken[key] += fill.taken
                size[key] += fill.size
        for (network, family), every in size.items():
            used = taken[network, family]
            page.add(m.ADDRESSES, used, *names[network], family, "taken")
            page.add(m.ADDRESSES, every - used, *names[network], family, "free")


def _counts(end: EndpointTraffic) -> Sequence[int]:
    """Return the counters in the order of ``OF_ENDPOINTS``, none without a link."""
    got, sent = end.received, end.sent
    if got is None or sent is None:
        return ()
    return got.bytes, sent.bytes, got.packets, sent.packets, got.drops, sent.drops


def _connections(end: EndpointTraffic) -> Mapping[Port, int]:
    """Return the connections of each port that is counted; one on several addresses of the host is one port."""
    found: dict[Port, int] = defaultdict(int)
    for port in end.ports:
        if port.connections is not None:
            found[end.id, port.proto, port.host_port, port.container_port] += port.connections
    return found


def _write_endpoint(page: Page, end: EndpointTraffic, rendered: str) -> None:
    for metric, value in zip(OF_ENDPOINTS, _counts(end), strict=False):
        page.add_rendered(metric, value, rendered)
