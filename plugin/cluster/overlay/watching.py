"""Keeps the records of the networks that this host has; it hears of no others while it has few."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from plugin.cluster.names.directory import NameDirectory
from plugin.cluster.names.records import ClusterName
from plugin.cluster.overlay.forwarding import LocalView
from plugin.cluster.overlay.network_records import NetworkRecords
from plugin.cluster.overlay.records import Member, Peer
from plugin.cluster.record_watch import RecordWatch
from plugin.model.records import Endpoint
from plugin.store.base import Event, Record, Store, Versioned

MOST = 8  # networks with watches of their own: each costs three connections and six threads

_SHARED: tuple[type[Record], ...] = (Peer, Member, ClusterName)


class Watching:
    """Follows the endpoints and the hosts of networks, and this host's own endpoints.

    The first ``MOST`` networks are watched one by one. All others share a watch of all networks of the cluster, and
    changes of networks that this host does not have are passed over; their records are listed by network too.

    ``changed`` is called with the name of a network, and whether its records were listed. Callers add and drop a
    network in one thread at a time.
    """

    def __init__(
        self,
        store: Store,
        local: Store,
        changed: Callable[[str, bool], object],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._changed = changed
        self._chance = chance
        self._guard = threading.Lock()  # guards the three below
        self._records: dict[str, NetworkRecords] = {}
        self._single: dict[str, Sequence[RecordWatch]] = {}
        self._all: Sequence[RecordWatch] = ()
        self.names = NameDirectory()
        self._endpoints = RecordWatch(local, Endpoint, self, chance=chance)
        self._running = False

    def start(self) -> None:
        """Start watching, in threads."""
        self._running = True
        for watch in self._watches():
            watch.start()

    def stop(self) -> None:
        """End all watches."""
        for watch in self._watches():
            watch.stop()

    def load(self) -> None:
        """List everything now."""
        for watch in self._watches():
            watch.load()

    def add(self, name: str, network_id: str, view: LocalView, *, now: bool) -> NetworkRecords:
        """Follow a network; ``now`` lists its records before this returns, if the stores answer.

        A network that is followed already keeps its records, as the cluster store may be away.
        """
        with self._guard:
            known = self._records.get(name)
            if known and known.network_id == network_id and known.view == view:
                return known
        if known:
            self.drop(name)
        records = NetworkRecords(network_id, view)
        with self._guard:
            self._records[name] = records
        self._endpoints.add(f"{network_id}/")
        self._follow(name, now=now)
        return records

    def drop(self, name: str) -> None:
        """Follow a network no more."""
        with self._guard:
            records = self._records.pop(name, None)
            single, shared = self._single.pop(name, ()), self._all
        for watch in single:
            watch.stop()
        for watch in shared:
            watch.drop(f"{name}/")
        if records:
            self._endpoints.drop(f"{records.network_id}/")
            self.names.drop(name)

    def of(self, name: str) -> NetworkRecords | None:
        """Return the records of a network; None if it is not followed, or was not listed yet."""
        with self._guard:
            records = self._records.get(name)
        return records if records and records.loaded else None

    def network_id(self, name: str) -> str | None:
        """Return the id of a network in this host's own store, None if it is not followed."""
        with self._guard:
            records = self._records.get(name)
        return records.network_id if records else None

    def listed(self, kind: type[Record], prefix: str, items: Sequence[Versioned[Any]]) -> None:
        """Take all records of a kind of one network."""
        for name, records in self._concerned(kind.kind, prefix.removesuffix("/")):
            if kind is ClusterName:
                self.names.listed(name, items)
            else:
                records.listed(kind, items)
                self._changed(name, True)

    def heard(self, event: Event) -> None:
        """Take a change of one record."""
        for name, records in self._concerned(
            event.kind, event.key.rsplit("/", 2 if event.kind == Member.kind else 1)[0]
        ):
            if event.kind == ClusterName.kind:
                self.names.heard(name, event)
                continue
            records.heard(event)
            self._changed(name, False)
            if event.kind == Endpoint.kind:
                self.names.touch(name, event.key.rpartition("/")[2])

    def _concerned(self, kind: str, network: str) -> list[tuple[str, NetworkRecords]]:
        """Return the network with this name, or with this id for endpoints of this host's own store."""
        with self._guard:
            if kind == Endpoint.kind:
                return [(name, known) for name, known in self._records.items() if known.network_id == network]
            return [(network, self._records[network])] if network in self._records else []

    def _follow(self, name: str, *, now: bool) -> None:
        with self._guard:
            alone = len(self._single) < MOST
            new = alone or not self._all
            watches = [self._watch(kind, f"{name}/" if alone else "") for kind in _SHARED] if new else self._all
            if alone:
                self._single[name] = watches
            else:
                self._all = watches
        for watch in watches:
            watch.add(f"{name}/", now=now and not (new and self._running))
            if new and self._running:
                watch.start(now=now)

    def _watch(self, kind: type[Record], prefix: str) -> RecordWatch:
        return RecordWatch(self._store, kind, self, prefix, self._chance)

    def _watches(self) -> Sequence[RecordWatch]:
        with self._guard:
            return [self._endpoints, *(watch for pair in self._single.values() for watch in pair), *self._all]
