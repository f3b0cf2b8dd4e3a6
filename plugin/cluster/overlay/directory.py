"""The endpoints and hosts of one overlay network, and the entries of this host's tables that lead to them. No I/O.

The cost of a change depends on the records that share a MAC or an address with it, not on all: before it is made, their
entries are noted, and ``changes`` compares them with the present ones.
"""

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from netlink.values import dataclass
from netlink.vxlan import EVERYBODY, Entry, Forward, Neighbour, Remote
from plugin.cluster.overlay.forwarding import LocalView, doubt_about_host, doubt_about_peer, text_of
from plugin.cluster.overlay.records import Member, Peer
from plugin.model.records import Endpoint
from plugin.protocol.messages import Address
from plugin.store.base import Versioned

Owned = Address | str  # an address or a MAC


@dataclass(frozen=True, slots=True)
class _Place:
    """The part of a ``Peer`` that the tables need: there may be ten thousand of them. A refused one owns nothing."""

    key: str
    revision: int
    host: str
    owned: tuple[Owned, ...]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Flood:
    """The entry for frames to all, which leads to the host at ``address``."""

    address: Address


class _Places:
    """The endpoints by key, by host, and by each MAC and address; of two with the same one the later record wins."""

    def __init__(self) -> None:
        self.by_key: dict[str, _Place] = {}
        self.by_owned: dict[Owned, _Place | tuple[_Place, ...]] = {}  # nearly all have one
        self.by_host: dict[str, set[str]] = {}  # keys of the endpoints that are not refused

    def put(self, place: _Place) -> None:
        """Add an endpoint, whose key is free."""
        self.by_key[place.key] = place
        if place.owned:
            self.by_host.setdefault(place.host, set()).add(place.key)
        for owned in place.owned:
            others = self.holding(owned)
            self.by_owned[owned] = (*others, place) if others else place

    def remove(self, key: str) -> None:
        """Remove an endpoint, if it is there."""
        place = self.by_key.pop(key, None)
        if place is None or not place.owned:
            return
        self.by_host[place.host].remove(key)
        if not self.by_host[place.host]:
            del self.by_host[place.host]
        for owned in place.owned:
            others = tuple(other for other in self.holding(owned) if other is not place)
            if others:
                self.by_owned[owned] = others
            else:
                del self.by_owned[owned]

    def of(self, host: str) -> Sequence[_Place]:
        """Return the endpoints of a host that are not refused."""
        return [self.by_key[key] for key in self.by_host.get(host, ())]

    def holding(self, owned: Owned) -> tuple[_Place, ...]:
        """Return all endpoints with a MAC or an address."""
        found = self.by_owned.get(owned, ())
        return found if isinstance(found, tuple) else (found,)

    def winner(self, owned: Owned) -> _Place | None:
        """Return the endpoint to which a MAC or an address leads."""
        found = self.by_owned.get(owned)
        return max(found, key=lambda place: place.revision) if isinstance(found, tuple) else found

    def around(self, owned: Collection[Owned]) -> set[Owned]:
        """Return ``owned``, and the MACs and addresses of all endpoints that have one of them."""
        return {*owned, *(other for one in owned for place in self.holding(one) for other in place.owned)}


class Directory:
    """Of two endpoints with the same address or MAC the later record counts.

    This host's own endpoints need no entries, because its bridge knows its own ports. Frames to all go to the hosts
    that have an endpoint: the bridge of another one would drop them.
    """

    def __init__(self, view: LocalView) -> None:
        self._view = view
        self._places = _Places()
        self._unfit: dict[str, str] = {}  # key of a refused endpoint -> why
        self._hosts: dict[str, Address] = {}
        self._at: dict[Address, list[str]] = {}  # the hosts at each address, nearly always one
        self.hosts = frozenset[Address]()  # the addresses of the other hosts, whose frames are accepted
        self._unfit_hosts: Mapping[str, str] = {}
        self._local: dict[str, tuple[Owned, ...]] = {}  # endpoints of this host's own store
        self._taken: Counter[Owned] = Counter()  # their MACs and addresses
        self._before: dict[Owned | _Flood, Collection[Entry]] = {}  # entries before the changes since ``changes``
        self._members: dict[str, Versioned[Member]] = {}
        self._grouped: dict[str, _Place] = {}  # endpoints with groups, by key
        self._groups: Mapping[Address, Sequence[str]] | None = {}  # None after a change that may concern them
        self.own: dict[str, Peer] = {}  # this host's records in the cluster store

    def take_peer(self, key: str, item: Versioned[Peer] | None, revision: int) -> None:
        """Note a change of an endpoint's record, which is gone if ``item`` is None; an older one is passed over."""
        old = self._places.by_key.get(key)
        if old and old.revision > revision:
            return
        new = self._place(key, item)
        places = [place for place in (old, new) if place]
        owned = {owned for place in places for owned in place.owned}
        self._note(self._places.around(owned))
        self._note(_Flood(self._hosts[place.host]) for place in places if place.host in self._hosts)
        self._places.remove(key)
        if self._grouped.pop(key, None):
            self._groups = None
        if new:
            self._places.put(new)
            if new.groups:
                self._grouped[key], self._groups = new, None

    def list_peers(self, items: Iterable[Versioned[Peer]]) -> None:
        """Replace all endpoints by a listing."""
        listed = {item.record.key: item for item in items}
        for key in set(self._places.by_key) - set(listed):
            self.take_peer(key, None, self._places.by_key[key].revision)
        for key, item in listed.items():
            self.take_peer(key, item, item.revision)

    def take_member(self, key: str, item: Versioned[Member] | None, revision: int) -> None:
        """Note a change of a host's record, which is gone if ``item`` is None; an older one is passed over."""
        old = self._members.get(key)
        if old is None or old.revision <= revision:
            self.list_members([*(known for at, known in self._members.items() if at != key), *([item] if item else [])])

    def list_members(self, items: Iterable[Versioned[Member]]) -> None:
        """Replace all hosts by a listing; the latest record of a host counts."""
        self._members = {item.record.key: item for item in items}
        hosts, unfit = dict[str, Address](), dict[str, str]()
        for item in sorted(self._members.values(), key=lambda item: item.revision):
            member = item.record
            if member.host == self._view.host:
                continue
            if why := doubt_about_host(member.address, self._view):
                unfit[f"{Member.kind} '{member.key}'"] = why
            else:
                hosts[member.host] = member.address
        moved = {host for host in {*hosts, *self._hosts} if hosts.get(host) != self._hosts.get(host)}
        self._note(owned for host in moved for place in self._places.of(host) for owned in place.owned)
        self._note(_Flood(at[host]) for at in (hosts, self._hosts) for host in moved & set(at))
        self._hosts, self._unfit_hosts = hosts, unfit
        if moved:
            self._at = {address: [] for address in hosts.values()}
            for host, address in hosts.items():
                self._at[address].append(host)
            self.hosts = frozenset(self._at)

    def take_local(self, key: str, endpoint: Endpoint | None) -> None:
        """Note an endpoint of this host's own store: no record takes its MAC or its addresses."""
        addresses = [address.ip for address in (endpoint.ipv4, endpoint.ipv6) if address] if endpoint else []
        new = (endpoint.mac.lower(), *addresses) if endpoint and endpoint.mac else tuple(addresses)
        old = self._local.pop(key, ())
        self._note(self._places.around({*old, *new}))
        for owned in old:
            self._taken[owned] -= 1
            if not self._taken[owned]:
                del self._taken[owned]
        self._taken.update(new)
        if new:
            self._local[key] = new

    def list_local(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Replace all endpoints of this host's own store by a listing."""
        for key in {*self._local, *endpoints}:
            self.take_local(key, endpoints.get(key))

    def claimants(self, addresses: Iterable[Address]) -> set[str]:
        """Return the keys of the endpoints of other hosts that have one of ``addresses``."""
        found = (place for address in addresses for place in self._places.holding(address))
        return {place.key for place in found if place.host != self._view.host}

    def others(self) -> Mapping[str, Member]:
        """Return the latest records of the other hosts that have the network, by the ids of the hosts."""
        by_age = sorted(self._members.values(), key=lambda item: item.revision)
        return {item.record.host: item.record for item in by_age if item.record.host in self._hosts}

    def own_members(self) -> Sequence[Member]:
        """Return this host's memberships in the cluster store."""
        return [item.record for item in self._members.values() if item.record.host == self._view.host]

    def changes(self) -> tuple[set[Entry], set[Entry]]:
        """Return the entries that are to be added and deleted since the last call."""
        before, self._before = self._before, {}
        old = {entry for entries in before.values() for entry in entries}
        new = {entry for owned in before for entry in self._entries(owned)}
        return new - old, old - new

    def groups(self) -> Mapping[Address, Sequence[str]]:
        """Return the groups of endpoints of other hosts, by each address that leads to them."""
        if self._groups is None:
            found = ((owned, place) for place in self._grouped.values() for owned in place.owned)
            self._groups = {
                owned: place.groups
                for owned, place in found
                if not isinstance(owned, str) and self._places.winner(owned) is place and self._leads_to(place)
            }
        return self._groups

    def entries(self) -> set[Entry]:
        """Return all entries."""
        wanted = [*self._places.by_owned, *map(_Flood, self.hosts)]
        return {entry for owned in wanted for entry in self._entries(owned)}

    def refused(self) -> dict[str, str]:
        """Return the records that are left out, by name, and why."""
        clashes = [
            place for owned in self._taken if (place := self._places.winner(owned)) and place.host != self._view.host
        ]
        unfit = self._unfit | {place.key: self._clash(place) for place in clashes}
        return {**self._unfit_hosts, **{f"{Peer.kind} '{key}'": why for key, why in unfit.items()}}

    def _place(self, key: str, item: Versioned[Peer] | None) -> _Place | None:
        self._unfit.pop(key, None)
        self.own.pop(key, None)
        if item is None:
            return None
        peer = item.record
        if peer.host == self._view.host:
            self.own[key] = peer
        why = doubt_about_peer(peer, self._view)
        if why:
            self._unfit[key] = why
        owned = () if why else (peer.mac.lower(), *peer.addresses)
        return _Place(key, item.revision, sys.intern(peer.host), owned, peer.groups)

    def _note(self, changing: Iterable[Owned | _Flood]) -> None:
        """Note the entries of MACs, addresses and hosts that may change, unless they were noted before."""
        for owned in changing:
            if self._grouped:
                self._groups = None
            if owned not in self._before:
                self._before[owned] = self._entries(owned)

    def _clash(self, place: _Place) -> str:
        """Return why another host's endpoint is refused that has a MAC or an address of this host's, or ""."""
        taken = [owned for owned in place.owned if self._taken[owned] and self._places.winner(owned) is place]
        return f"{text_of(taken[0])} is that of an endpoint of this host" if taken else ""

    def _leads_to(self, place: _Place) -> bool:
        """Return whether entries lead to an endpoint."""
        return place.host != self._view.host and place.host in self._hosts and not self._clash(place)

    def _entries(self, owned: Owned | _Flood) -> Collection[Entry]:
        if isinstance(owned, _Flood):
            crowded = any(self._places.by_host.get(host) for host in self._at.get(owned.address, ()))
            return [Remote(EVERYBODY, owned.address)] if crowded else []
        place = self._places.winner(owned)
        if place is None or not self._leads_to(place):
            return []
        if isinstance(owned, str):
            return [Forward(owned), Remote(owned, self._hosts[place.host])]
        return [Neighbour(owned, str(place.owned[0]))]


@dataclass(frozen=True, slots=True)
class WantedTables:
    """The entries of the tables, the ``hosts`` whose frames are accepted, and why records were refused, by name."""

    entries: Collection[Entry]
    hosts: Collection[Address]
    refused: Mapping[str, str]


def wanted_tables(
    peers: Iterable[Versioned[Peer]], members: Iterable[Versioned[Member]], local: Iterable[Endpoint], view: LocalView
) -> WantedTables:
    """Return the entries that lead to the endpoints of other hosts, and the records that were refused."""
    directory = Directory(view)
    directory.list_local({endpoint.key: endpoint for endpoint in local})
    directory.list_members(members)
    directory.list_peers(peers)
    return WantedTables(directory.entries(), directory.hosts, directory.refused())
