"""Tells which hosts are alive by the word of the cluster store, and for how long the others have been gone.

A host is alive as long as its ``ClusterHost`` record is in the store. A renewal changes no record and wakes no watch:
etcd renews a lease, ZooKeeper and Consul a session.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from plugin.cluster.hosts.records import ClusterHost
from plugin.cluster.record_watch import RecordWatch
from plugin.store.base import Event, Record, SharedStore, Versioned

Clock = Callable[[], float]


class LivingHosts:
    """Watches the hosts while somebody wants to know.

    ``answering_since`` returns the moment, by ``clock``, since which the store has answered this host without a break;
    None while it is away. Nothing counts as gone for longer than that: who cannot ask the store knows nothing.
    ``chance`` (0 to 1) spreads the hosts' attempts to begin a watch that broke.
    """

    def __init__(
        self,
        store: SharedStore,
        answering_since: Callable[[], float | None],
        clock: Clock = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._answering_since = answering_since
        self._clock = clock
        self._chance = chance
        self._guard = threading.Lock()  # guards the two below
        self._users = 0
        self._seen: _Seen | None = None  # as long as there are users

    def watch(self) -> Callable[[], None]:
        """Watch the hosts from now on, in a thread; return the function that ends this, unless others still want it."""
        with self._guard:
            self._users += 1
            if self._seen is None:
                self._seen = _Seen(self._store, self._clock, self._chance)
        ended = threading.Event()

        def end() -> None:
            if not ended.is_set():
                ended.set()
                self._end()

        return end

    def alive(self, host: str) -> bool:
        """Return whether a host is alive; True too while the store is away, nobody watches, or nothing is known."""
        return self.since(host) is None

    def since(self, host: str) -> float | None:
        """Return the seconds for which a host has certainly been gone, None for a host that may be alive.

        They count from the moment when this host heard of it, or began to watch, or reached the store again.
        """
        answering, seen = self._answering_since(), self._seen
        gone = seen.gone_at(host) if seen else None
        return None if answering is None or gone is None else max(0.0, self._clock() - max(answering, gone))

    def _end(self) -> None:
        with self._guard:
            self._users -= 1
            seen = None if self._users else self._seen
            if seen:
                self._seen = None
        if seen:
            seen.watch.stop()


class _Seen:
    """The hosts as one watch has told of them, which begins at once."""

    def __init__(self, store: SharedStore, clock: Clock, chance: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._guard = threading.Lock()  # guards everything below
        self._present: set[str] = set()
        self._gone: dict[str, float] = {}  # when hosts vanished
        self._listed: float | None = None  # when the hosts were listed; None before
        self.watch = RecordWatch(store, ClusterHost, self, chance=chance)
        self.watch.add("", now=False)
        self.watch.start()

    def gone_at(self, host: str) -> float | None:
        """Return since when a host has been gone, None for one that is there, and while nothing is known."""
        with self._guard:
            if not self.watch.following or self._listed is None or host in self._present:
                return None
            return self._gone.get(host, self._listed)

    def listed(self, kind: type[Record], prefix: str, items: Sequence[Versioned[Any]]) -> None:
        """Take the hosts that are there now: how long the others have been gone is not known."""
        unread = self._store.set_aside(kind, prefix)
        with self._guard:
            self._present, self._listed = {item.record.id for item in items} | set(unread), self._clock()
            self._gone.clear()

    def heard(self, event: Event) -> None:
        """Take the arrival or the end of one host; a record that cannot be read is that of a host that renews it."""
        unread = event.record is None and event.key in self._store.set_aside(ClusterHost)
        with self._guard:
            if event.record is not None or unread:
                self._present.add(event.key)
                self._gone.pop(event.key, None)
            elif event.key in self._present:
                self._present.discard(event.key)
                self._gone[event.key] = self._clock()
