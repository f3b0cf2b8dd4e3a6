"""The endpoints and hosts of one overlay network, and the entries of this host's tables that lead to them. No I/O.

The cost of a change depends on the records that share a MAC or an address with it, not on all: before it is made, their
entries are noted, and ``changes`` compares them with the present ones.
"""

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from netlink.direct_routes import DirectRoute
from netlink.values import dataclass
from netlink.vxlan import EVERYBODY, Entry, Forward, Gateway, Neighbour, Remote
from plugin.cluster.direct.hops import Hops, HostPlace, doubt_about_way
from plugin.cluster.overlay.forwarding import LocalView, doubt_about_host, doubt_about_peer, text_of
from plugin.cluster.overlay.records import MOST_BEHIND, Member, Peer
from plugin.model.records import Endpoint
from plugin.options.tunnel import uses_routes, uses_tunnel
from plugin.protocol.messages import Address
from plugin.store.base import Versioned

Owned = Address | str  # an address or a MAC
Lead = Entry | DirectRoute  # to a container of another host


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


class Departed:
    """The last addresses of endpoints that this host had; their neighbours may remember the MACs for a minute."""

    MOST = 1024

    def __init__(self) -> None:
        self._addresses: dict[Address, None] = {}  # oldest first

    def note(self, addresses: Iterable[Address]) -> None:
        """Note addresses that no endpoint of this host has any more."""
        for address in addresses:
            self._addresses[address] = None
            if len(self._addresses) > self.MOST:
                del self._addresses[next(iter(self._addresses))]

    def elsewhere(self, coming: Iterable[Lead]) -> frozenset[Address]:
        """Return those to which a route is ``coming``, as another host has them now, and forget them."""
        found = {lead.to for lead in coming if isinstance(lead, DirectRoute) and lead.to in self._addresses}
        for address in found:
            del self._addresses[address]
        return frozenset(found)


class FarHosts:
    """The other hosts of the network, from all ``members``; the latest record of a host counts."""

    def __init__(self, view: LocalView, members: Mapping[str, Versioned[Member]], hops: Hops) -> None:
        self._view = view
        self.members = members  # by key, with this host's own
        self.hops = hops  # towards these hosts, by address of the host
        self.at: dict[str, Address] = {}
        self.takeovers: dict[str, int] = {}  # their times of takeover in seconds
        self._unfit: dict[str, str] = {}
        behind: dict[str, Collection[str]] = {}
        for item in sorted(members.values(), key=lambda item: item.revision):
            member = item.record
            if member.host == view.host:
                continue
            if why := doubt_about_host(member.address, view, member.host):
                self._unfit[f"{Member.kind} '{member.key}'"] = why
            else:
                self.at[member.host] = member.address
                self.takeovers[member.host] = member.takeover
                behind[member.host] = member.behind
        self.reluctant = {host for host, far in behind.items() if view.host in far}  # they reach this one by a router
        self.by_address: dict[Address, list[str]] = {address: [] for address in self.at.values()}  # nearly always one
        for host, address in self.at.items():
            self.by_address[address].append(host)
        self.addresses = frozenset(self.by_address)

    def places(self) -> list[HostPlace]:
        """Return where they are reached."""
        near = {item.record.address: item.record.link_local for item in self.members.values()}
        return [HostPlace(address, near.get(address)) for address in self.at.values()]

    def own(self) -> Sequence[Member]:
        """Return this host's memberships in the cluster store."""
        return [item.record for item in self.members.values() if item.record.host == self._view.host]

    def behind(self) -> tuple[str, ...]:
        """Return the hosts that this one reaches by a router, none if they are more than others are told about."""
        found = sorted(host for host, at in self.at.items() if at in self.hops and self.hops[at] is None)
        return tuple(found) if len(found) <= MOST_BEHIND else ()

    def lead(self, place: _Place, address: Address) -> Collection[Lead]:
        """Return the entries that lead to an address of an endpoint of theirs."""
        hop = None if place.host in self.reluctant else self.hops.get(self.at[place.host])
        if hop and address.version in hop.by:
            return [Neighbour(address, self._view.mac), DirectRoute(address, hop.by[address.version], hop.link)]
        return [Neighbour(address, str(place.owned[0]))] if uses_tunnel(self._view.tunnel) else []

    def refused(self) -> dict[str, str]:
        """Return the records that are left out, and the hosts that only a tunnel would reach, and why."""
        tunnel, versions = self._view.tunnel, {pool.version for pool in self._view.subnets}
        doubts = {
            host: doubt_about_way(tunnel, at, self.hops.get(at), versions, mutual=host not in self.reluctant)
            for host, at in self.at.items()
        }
        return self._unfit | {f"host '{host}'": why for host, why in doubts.items() if why}


class Directory:
    """Of two endpoints with the same address or MAC the later record counts.

    This host's own endpoints need no entries, because its bridge knows its own ports. Frames to all go to the hosts
    that have an endpoint: the bridge of another one would drop them.
    """

    def __init__(self, view: LocalView) -> None:
        self._view = view
        self._places = _Places()
        self._unfit: dict[str, str] = {}  # key of a refused endpoint -> why
        self.far = FarHosts(view, {}, {})
        self._local: dict[str, tuple[Owned, ...]] = {}  # endpoints of this host's own store
        self._taken: Counter[Owned] = Counter()  # their MACs and addresses
        self.departed = Departed()
        self._before: dict[Owned | _Flood, Collection[Lead]] = {}  # entries before the changes since ``changes``
        self._grouped: dict[str, _Place] = {}  # endpoints with groups, by key
        self._groups: Mapping[Address, Sequence[str]] | None = {}  # None after a change that may concern them
        self.own: dict[str, Peer] = {}  # this host's records in the cluster store

    @property
    def hosts(self) -> frozenset[Address]:
        """The addresses of the other hosts of the network, whose frames are accepted."""
        return self.far.addresses

    def take_peer(self, key: str, item: Versioned[Peer] | None, revision: int) -> None:
        """Note a change of an endpoint's record, which is gone if ``item`` is None; an older one is passed over."""
        old = self._places.by_key.get(key)
        if old and old.revision > revision:
            return
        new = self._place(key, item)
        places = [place for place in (old, new) if place]
        owned = {owned for place in places for owned in place.owned}
        self._note(self._places.around(owned))
        self._note(_Flood(self.far.at[place.host]) for place in places if place.host in self.far.at)
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
        members = self.far.members
        old = members.get(key)
        if old is None or old.revision <= revision:
            self.list_members([*(known for at, known in members.items() if at != key), *([item] if item else [])])

    def list_members(self, items: Iterable[Versioned[Member]]) -> None:
        """Replace all hosts by a listing."""
        old = self.far
        new = FarHosts(self._view, {item.record.key: item for item in items}, old.hops)
        moved = {host for host in {*new.at, *old.at} if new.at.get(host) != old.at.get(host)}
        self._note_hosts(moved | (new.reluctant ^ old.reluctant))
        self._note(_Flood(at[host]) for at in (new.at, old.at) for host in moved & set(at))
        self.far = new

    def take_hops(self, hops: Hops) -> None:
        """Note the next hops towards the other hosts."""
        old = self.far.hops
        moved = {address for address in {*hops, *old} if hops.get(address) != old.get(address)}
        self._note_hosts({host for host, address in self.far.at.items() if address in moved})
        self.far.hops = hops

    def take_local(self, key: str, endpoint: Endpoint | None) -> None:
        """Note an endpoint of this host's own store: no record takes its MAC or addresses, until it has lost one."""
        endpoint = None if endpoint and endpoint.taken else endpoint
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
        self.departed.note(owned for owned in old if owned not in self._taken and not isinstance(owned, str))

    def list_local(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Replace all endpoints of this host's own store by a listing."""
        for key in {*self._local, *endpoints}:
            self.take_local(key, endpoints.get(key))

    def claimants(self, addresses: Iterable[Address]) -> set[str]:
        """Return the keys of the endpoints of other hosts that have one of ``addresses``."""
        found = (place for address in addresses for place in self._places.holding(address))
        return {place.key for place in found if place.host != self._view.host}

    def changes(self) -> tuple[set[Lead], set[Lead]]:
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

    def entries(self) -> set[Lead]:
        """Return all entries."""
        wanted = [*self._places.by_owned, *map(_Flood, self.hosts)]
        own = [Gateway(self._view.mac)] if uses_routes(self._view.tunnel) else []
        return {*own, *(entry for owned in wanted for entry in self._entries(owned))}

    def refused(self) -> dict[str, str]:
        """Return the records that are left out, by name, and why."""
        clashes = [
            place for owned in self._taken if (place := self._places.winner(owned)) and place.host != self._view.host
        ]
        unfit = self._unfit | {place.key: self._clash(place) for place in clashes}
        return {**self.far.refused(), **{f"{Peer.kind} '{key}'": why for key, why in unfit.items()}}

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

    def _note_hosts(self, hosts: Collection[str]) -> None:
        """Note the entries that lead to endpoints of ``hosts``, which may change."""
        self._note(owned for host in hosts for place in self._places.of(host) for owned in place.owned)

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
        return place.host != self._view.host and place.host in self.far.at and not self._clash(place)

    def _entries(self, owned: Owned | _Flood) -> Collection[Lead]:
        tunnelled = uses_tunnel(self._view.tunnel)
        if isinstance(owned, _Flood):
            crowded = any(self._places.by_host.get(host) for host in self.far.by_address.get(owned.address, ()))
            return [Remote(EVERYBODY, owned.address)] if crowded and tunnelled else []
        place = self._places.winner(owned)
        if place is None or not self._leads_to(place):
            return []
        if isinstance(owned, str):
            return [Forward(owned), Remote(owned, self.far.at[place.host])] if tunnelled else []
        return self.far.lead(place, owned)


@dataclass(frozen=True, slots=True)
class WantedTables:
    """The entries of the tables, the ``hosts`` whose frames are accepted, and why records were refused, by name."""

    entries: Collection[Lead]
    hosts: Collection[Address]
    refused: Mapping[str, str]


def wanted_tables(
    peers: Iterable[Versioned[Peer]],
    members: Iterable[Versioned[Member]],
    local: Iterable[Endpoint],
    view: LocalView,
    hops: Callable[[Collection[HostPlace]], Hops] = lambda _: {},
) -> WantedTables:
    """Return the entries that lead to the endpoints of other hosts, and the records that were refused."""
    directory = Directory(view)
    directory.list_local({endpoint.key: endpoint for endpoint in local})
    directory.list_members(members)
    directory.list_peers(peers)
    directory.take_hops(hops(directory.far.places()) if uses_routes(view.tunnel) else {})
    return WantedTables(directory.entries(), directory.hosts, directory.refused())
