"""Answers the resolver's questions (``plugin.resolver.zone``) from the names of this host, and those of other hosts.

Endpoints of this host count while their records exist, those of other hosts while their host is alive: a name dies
with its container or its host. A question reads memory, and the records of the endpoints that it found.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network

from netlink.values import dataclass
from plugin.cluster.names.directory import NameDirectory
from plugin.cluster.names.records import ClusterName
from plugin.engine.endpoint_names import EndpointNames
from plugin.model.records import Endpoint, Network
from plugin.model.resolver_place import DOMAIN, HOST
from plugin.protocol.messages import Address, Subnet
from plugin.protocol.own_messages import NameReport
from plugin.store.base import LocalStore

PAUSE = 1.0  # seconds between two readings of all networks, for addresses that belong to none


@dataclass(frozen=True, slots=True)
class NamedEndpoint:
    """An endpoint that a name leads to; ``host`` is the id of another host, "" for this one."""

    host: str
    endpoint: str
    names: tuple[str, ...]
    addresses: tuple[Address, ...]


class NetworksByAddress:
    """Finds the network of an address by its subnets, in as many steps as there are lengths of prefixes."""

    def __init__(self, store: LocalStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._guard = threading.Lock()  # guards everything below
        self._by_subnet: dict[Subnet, str] = {}
        self._lengths: dict[int, list[int]] = {}  # of prefixes, by IP version, the longest first
        self._revision = -1
        self._read = float("-inf")

    def find(self, address: Address) -> str | None:
        """Return the id of the network, None if no network of this host has the address."""
        found = self._known(address)
        if found is None or self._store.get(Network, found) is None:
            self._read_again()
            found = self._known(address)
        return found

    def _known(self, address: Address) -> str | None:
        known = self._by_subnet
        around = (ip_network((address, length), strict=False) for length in self._lengths.get(address.version, ()))
        return next((known[subnet] for subnet in around if subnet in known), None)

    def _read_again(self) -> None:
        with self._guard:
            revision, now = self._store.revision(), self._clock()
            if revision != self._revision and now >= self._read + PAUSE:
                networks = [item.record for item in self._store.list(Network)]
                found = {subnet.pool: network.id for network in networks for subnet in network.subnets}
                lengths = {(subnet.version, subnet.prefixlen) for subnet in found}
                self._by_subnet = found
                self._lengths = {of: sorted((n for v, n in lengths if v == of), reverse=True) for of in (4, 6)}
                self._revision, self._read = revision, now


class Titles:
    """The names of networks in lower case, as the engine told them; ``known`` returns those it told last, by id."""

    def __init__(self, known: Callable[[], Mapping[str, str]]) -> None:
        self._known = known
        self._read: Mapping[str, str] = {}
        self._ids: dict[str, str] = {}

    def of(self, network: str) -> str:
        """Return the name of a network, "" if it is not known."""
        return self._known().get(network, "").lower()

    def id(self, title: str) -> str:
        """Return the id of the network with a name, "" if it is not known."""
        known = self._known()
        if known is not self._read:
            self._read, self._ids = known, {name.lower(): identity for identity, name in known.items()}
        return self._ids.get(title, "")


@dataclass(frozen=True, slots=True)
class OtherHosts:
    """What this host, with the id ``here``, knows of others: their names, and whether a host is alive, at once.

    ``titles`` returns the names of hosts by id, for people; it may wait a moment.
    """

    names: NameDirectory
    alive: Callable[[str], bool] = lambda _: True
    here: str = ""
    titles: Callable[[Collection[str]], Mapping[str, str]] = lambda _: {}


class NetworkZone:
    """A ``Zone`` of the containers of this host's networks."""

    def __init__(self, store: LocalStore, told: EndpointNames, others: OtherHosts) -> None:
        self._store = store
        self._told = told
        self._far, self._alive, self._host, self._hosts = others.names, others.alive, others.here, others.titles
        self._titles = Titles(lambda: told.networks)
        self._networks = NetworksByAddress(store)

    def network_of(self, source: Address) -> str | None:
        """Return the network of the container that has an address."""
        return self._networks.find(source)

    def addresses(self, network: str, name: str) -> Sequence[Address] | None:
        """Return all addresses of a name, each once; None if there is no such name."""
        found = self.named(network, name)
        return tuple(dict.fromkeys(address for one in found for address in one.addresses)) if found else None

    def names(self, network: str, address: Address) -> Sequence[str]:
        """Return the names of an address, the full one first."""
        at = network or self._networks.find(address) or ""
        record = self._record(at)
        if record is None:
            return ()
        ends = [*self._here(record, address), *self._far_ends(record, self._far.at(_shared(record), address))]
        title = self._titles.of(at)
        full = [f"{one.names[0]}.{title}{DOMAIN}" for one in ends if title and address in one.addresses]
        short = [name for one in ends for name in one.names] if network else []
        return tuple(dict.fromkeys((*full, *short)))

    def named(self, network: str, name: str) -> Sequence[NamedEndpoint]:
        """Return the endpoints that a name leads to, those of this host first."""
        for at, short in self._readings(network, name.lower()):
            record = self._record(at)
            if record is not None and (found := [*self._here(record, short), *self._elsewhere(record, short)]):
                return found
        return ()

    def reports(self) -> Sequence[NameReport]:
        """Return all endpoints that have names and are answered, of all networks."""
        near: dict[str, list[NamedEndpoint]] = defaultdict(list)
        for told in self._told.all():
            if one := self._near(told.network_id, told.endpoint):
                near[told.network_id].append(one)
        found = [
            (network.id, one)
            for network in (item.record for item in self._store.list(Network))
            for one in [*near[network.id], *self._far_ends(network, self._far.all(_shared(network)).values())]
        ]
        titles, hosts = self._told.networks, self._hosts({one.host for _, one in found if one.host})
        shown = ((at, one, hosts.get(one.host, "")) for at, one in found)
        return [
            NameReport(at, titles.get(at, ""), one.endpoint, one.host, one.names, one.addresses, host)
            for at, one, host in shown
        ]

    def _readings(self, network: str, name: str) -> Iterator[tuple[str, str]]:
        """Yield what a name may mean: the id of a network, and the name there."""
        if network != HOST:
            yield network, name
        if not name.endswith(DOMAIN):
            return
        parts = name.removesuffix(DOMAIN).split(".")
        for cut in range(1, len(parts)):  # names of containers and networks may have dots
            at = self._titles.id(".".join(parts[cut:]))
            if at and network in {HOST, at}:
                yield at, ".".join(parts[:cut])

    def _here(self, network: Network, owned: str | Address) -> Iterator[NamedEndpoint]:
        ends = (self._near(network.id, endpoint) for endpoint in self._told.having(network.id, owned))
        return (one for one in ends if one)

    def _elsewhere(self, network: Network, name: str) -> Iterable[NamedEndpoint]:
        return self._far_ends(network, self._far.named(_shared(network), name))

    def _far_ends(self, network: Network, records: Iterable[ClusterName]) -> list[NamedEndpoint]:
        """Return the endpoints of living hosts among records; one that lies about a subnet is left out."""
        pools = [subnet.pool for subnet in network.subnets]
        return [
            NamedEndpoint(
                record.host, record.endpoint, record.names, tuple(a for a in record.addresses if _within(a, pools))
            )
            for record in records
            if network.overlay and record.host != self._host and self._alive(record.host)
        ]

    def _near(self, network: str, endpoint: str) -> NamedEndpoint | None:
        """Return an endpoint of this host, None if it is gone or closed, or its name is not known."""
        told = self._told.of(endpoint)
        item = self._store.get(Endpoint, f"{network}/{endpoint}") if told else None
        if told is None or item is None or item.record.taken:
            return None
        addresses = tuple(own.ip for own in (item.record.ipv4, item.record.ipv6) if own)
        return NamedEndpoint("", endpoint, told.names, addresses)

    def _record(self, network: str) -> Network | None:
        item = self._store.get(Network, network) if network else None
        return item.record if item else None


def _shared(network: Network) -> str:
    return network.overlay.network if network.overlay else ""


def _within(address: Address, pools: Sequence[Subnet]) -> bool:
    return not pools or any(address in pool for pool in pools)
