"""The records of one overlay network, as threads hand them over."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netlink.values import dataclass
from plugin.cluster.direct.hops import Hops, HostPlace
from plugin.cluster.overlay.directory import Directory, Lead
from plugin.cluster.overlay.forwarding import LocalView
from plugin.cluster.overlay.records import Member, Peer
from plugin.model.records import Endpoint
from plugin.protocol.messages import Address
from plugin.store.base import Event, Record, Versioned


@dataclass(frozen=True, slots=True)
class Own:
    """This host's records of one network in the cluster store, by key.

    ``behind`` are the hosts that it reaches by a router; those it told of last, until the kernel was asked.
    """

    members: Mapping[str, Member]
    peers: Mapping[str, Peer]
    behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """Entries to add and to delete since the last one, the ``hosts`` to accept frames from, and refused records.

    ``groups`` are those of endpoints of other hosts, by address. ``wanted`` are all entries, if they were asked for.
    ``links`` are those by which routes lead to other hosts. ``moved`` are addresses that this host had before.
    """

    coming: set[Lead]
    going: set[Lead]
    hosts: frozenset[Address]
    refused: Mapping[str, str]
    groups: Mapping[Address, Sequence[str]]
    wanted: set[Lead] | None
    links: frozenset[str] = frozenset()
    moved: frozenset[Address] = frozenset()


class NetworkRecords:
    """A directory for several threads; ``view`` is the network in this host's own records, ``network_id`` its id."""

    def __init__(self, network_id: str, view: LocalView) -> None:
        self.network_id = network_id
        self.view = view
        self._guard = threading.Lock()  # guards everything below
        self._directory = Directory(view)
        self._unlisted: set[type[Record]] = {Peer, Member, Endpoint}  # kinds that have not been listed yet
        self._asked = False  # whether the kernel was asked how it reaches the other hosts
        self._behind_then: tuple[str, ...] | None = None  # hosts behind routers when ``has_news`` was last asked

    @property
    def loaded(self) -> bool:
        """Whether the stores have been listed for this network."""
        return not self._unlisted

    def listed(self, kind: type[Record], items: Sequence[Versioned[Any]]) -> None:
        """Replace all records of a kind by a listing."""
        with self._guard:
            if kind is Peer:
                self._directory.list_peers(items)
            elif kind is Member:
                self._directory.list_members(items)
            else:
                self._directory.list_local({item.record.key: item.record for item in items})
            self._unlisted.discard(kind)

    def heard(self, event: Event) -> None:
        """Note the change of one record."""
        record = event.record
        with self._guard:
            if event.kind == Peer.kind:
                peer = Versioned(record, event.revision) if isinstance(record, Peer) else None
                self._directory.take_peer(event.key, peer, event.revision)
            elif event.kind == Member.kind:
                member = Versioned(record, event.revision) if isinstance(record, Member) else None
                self._directory.take_member(event.key, member, event.revision)
            else:
                self._directory.take_local(event.key, record if isinstance(record, Endpoint) else None)

    def claimants(self, addresses: Iterable[Address]) -> set[str]:
        """Return the keys of the endpoints of other hosts that have one of ``addresses``."""
        with self._guard:
            return self._directory.claimants(addresses)

    def groups(self) -> Mapping[Address, Sequence[str]]:
        """Return the groups of endpoints of other hosts, by address."""
        with self._guard:
            return self._directory.groups()

    def takeovers(self) -> Mapping[str, int]:
        """Return the other hosts that have the network, by id, and their times of takeover in seconds."""
        with self._guard:
            return self._directory.far.takeovers

    def own(self) -> Own:
        """Return this host's records in the cluster store."""
        with self._guard:
            members = self._directory.far.own()
            return Own({member.key: member for member in members}, dict(self._directory.own), self._behind())

    def places(self) -> list[HostPlace]:
        """Return where the other hosts are reached."""
        with self._guard:
            return self._directory.far.places()

    def has_news(self) -> bool:
        """Return whether other hosts have to be told which ones this host reaches by a router; once for each change."""
        with self._guard:
            before, self._behind_then = self._behind_then, self._behind()
            now = self._behind_then
            return now != before and any(member.behind != now for member in self._directory.far.own())

    def _behind(self) -> tuple[str, ...]:
        far = self._directory.far
        return far.behind() if self._asked else next((member.behind for member in far.own()), ())

    def difference(self, *, everything: bool, hops: Hops | None = None) -> Difference:
        """Return the changes since the last call, with all entries if ``everything`` asks for them.

        ``hops`` are the next hops towards the other hosts, None if there are no routes to containers.
        """
        with self._guard:
            self._asked = hops is not None
            self._directory.take_hops(hops or {})
            coming, going = self._directory.changes()
            wanted = self._directory.entries() if everything else None
            known = self._directory
            links = frozenset(hop.link for hop in (hops or {}).values() if hop)
            moved = known.departed.elsewhere(coming)
            return Difference(coming, going, known.hosts, known.refused(), known.groups(), wanted, links, moved)
