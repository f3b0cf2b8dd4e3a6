"""The series about networks and endpoints, from the records and from the counters of links."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from netlink.link_traffic import LinkTraffic
from plugin.engine.names import Known, Names
from plugin.ipam.fill import fills
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.observe import metrics as m
from plugin.observe.page import Page, labels
from plugin.observe.totals import Totals
from plugin.store.base import R, Store

SHORT = 12  # digits of an id
ReadTraffic = Callable[[Collection[str]], Mapping[str, LinkTraffic]]  # of links, by their names
# A container receives what the host end of its link sends.
OF_ENDPOINTS = {
    m.RECEIVED: "sent_bytes",
    m.SENT: "received_bytes",
    m.PACKETS_RECEIVED: "sent_packets",
    m.PACKETS_SENT: "received_packets",
    m.DROPS_RECEIVED: "sent_dropped",
    m.DROPS_SENT: "received_dropped",
}
OF_NETWORKS = {
    m.NETWORK_RECEIVED: "sent_bytes",
    m.NETWORK_SENT: "received_bytes",
    m.NETWORK_PACKETS_RECEIVED: "sent_packets",
    m.NETWORK_PACKETS_SENT: "received_packets",
}


def labels_of(known: Known, network: str) -> tuple[str, str]:
    """Return the labels of a network: its name, or else its short id, and its short id."""
    return known.networks.get(network) or network[:SHORT], network[:SHORT]


class NetworkSeries:
    """``most`` endpoints have series of their own. It belongs to one thread at a time."""

    def __init__(self, store: Store, names: Names, traffic: ReadTraffic, most: int) -> None:
        self._store = store
        self._names = names
        self._traffic = traffic
        self._most = most
        self._totals = Totals()
        self._shown: frozenset[str] = frozenset()  # ids of endpoints that had series of their own

    def write(self, page: Page) -> None:
        """Add everything about networks and endpoints."""
        networks = {network.id: network for network in self._list(Network)}
        endpoints = [end for end in self._list(Endpoint) if end.network_id in networks]
        known = self._known(networks, endpoints)
        names = {network: labels_of(known, network) for network in networks}
        for mode, count in sorted(Counter(network.mode for network in networks.values()).items()):
            page.add(m.NETWORKS, count, mode)
        self._write_counts(page, names, endpoints)
        self._write_addresses(page, names, list(networks.values()), endpoints)
        traffic = self._traffic([host_link_name(end.id) for end in endpoints])
        self._write_totals(page, names, endpoints, traffic)
        shown = self._chosen(endpoints)
        page.add(m.LEFT_OUT, len(endpoints) - len(shown))
        for end in shown:
            if (counted := traffic.get(host_link_name(end.id))) is not None:
                container = known.containers.get(end.id) or end.id[:SHORT]
                rendered = labels(m.RECEIVED.labels, (*names[end.network_id], container, end.id[:SHORT]))
                for metric, member in OF_ENDPOINTS.items():
                    page.add_rendered(metric, getattr(counted, member), rendered)

    def _list(self, kind: type[R]) -> list[R]:
        return [item.record for item in self._store.list(kind)]

    def _known(self, networks: Iterable[str], endpoints: Iterable[Endpoint]) -> Known:
        """Return the names that are known; the engine is asked in the background for those that are not."""
        known = self._names.known
        if not (known.networks.keys() >= set(networks) and known.containers.keys() >= {end.id for end in endpoints}):
            self._names.expect()
        return known

    def _chosen(self, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """Return the endpoints with series of their own: those that had them keep them."""
        if len(endpoints) > self._most:
            endpoints = sorted(endpoints, key=lambda end: end.id not in self._shown)[: self._most]
        self._shown = frozenset(end.id for end in endpoints)
        return endpoints

    def _write_counts(self, page: Page, names: Mapping[str, tuple[str, str]], endpoints: Iterable[Endpoint]) -> None:
        counts, ports = Counter[str](), Counter[str]()
        for end in endpoints:
            counts[end.network_id] += 1
            ports[end.network_id] += len(end.published)
        for network, named in names.items():
            page.add(m.ENDPOINTS, counts[network], *named)
            page.add(m.PORTS, ports[network], *named)

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

    def _write_totals(
        self,
        page: Page,
        names: Mapping[str, tuple[str, str]],
        endpoints: Iterable[Endpoint],
        traffic: Mapping[str, LinkTraffic],
    ) -> None:
        self._totals.add({host_link_name(end.id): end.network_id for end in endpoints}, traffic)
        self._totals.keep(names)
        for network, named in names.items():
            total, rendered = self._totals.of(network), labels(m.NETWORK_RECEIVED.labels, named)
            for metric, member in OF_NETWORKS.items():
                page.add_rendered(metric, getattr(total, member), rendered)
            page.add_rendered(m.NETWORK_DROPS, total.sent_dropped + total.received_dropped, rendered)
