"""Tells which hosts are alive by the word of the cluster store, and for how long the others have been gone.

A host is alive as long as its ``ClusterHost`` record is in the store. A renewal changes no record and wakes no watch:
etcd renews a lease, ZooKeeper and Consul a session.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import structlog

from plugin.background.loop import Steady
from plugin.cluster.hosts.records import ClusterHost
from plugin.errors import PynetError
from plugin.store.base import Event, SharedStore

log = structlog.get_logger()

RETRY = 1.0  # seconds before a watch that could not begin is tried again

Heard = Callable[[str], object]  # takes the id of a host that came or went


class LivingHosts:
    """Watches the hosts while somebody listens.

    ``answering_since`` returns the moment, by ``clock``, since which the store has answered this host without a break;
    None while it is away. Nothing counts as gone for longer than that: who cannot ask the store knows nothing.
    """

    def __init__(
        self,
        store: SharedStore,
        answering_since: Callable[[], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._answering_since = answering_since
        self._clock = clock
        self._guard = threading.Lock()  # guards everything below
        self._listeners: list[Heard] = []
        self._watch: _Watch | None = None
        self._present: set[str] = set()
        self._gone: dict[str, float] = {}  # when hosts vanished
        self._listed: float | None = None  # when the present watch began; None without one

    def listen(self, heard: Heard) -> Callable[[], None]:
        """Call ``heard`` with each host that comes or goes, in a thread; return the function that ends this.

        The first listener starts the watch, and the last one ends it.
        """
        with self._guard:
            self._listeners.append(heard)
            if self._watch is None:
                self._watch = _Watch(self._store, self)
                self._watch.start()

        def end() -> None:
            with self._guard:
                if heard in self._listeners:
                    self._listeners.remove(heard)
                watch = None if self._listeners else self._watch
                if watch:
                    self._watch, self._listed = None, None
            if watch:
                watch.stop()

        return end

    def alive(self, host: str) -> bool:
        """Return whether a host is alive; True too while the store is away, nobody listens, or nothing is known."""
        return self.since(host) is None

    def since(self, host: str) -> float | None:
        """Return the seconds for which a host has certainly been gone, None for a host that may be alive.

        They count from the moment when this host heard of it, or began to watch, or reached the store again.
        """
        answering = self._answering_since()
        with self._guard:
            if answering is None or self._listed is None or host in self._present:
                return None
            return max(0.0, self._clock() - max(answering, self._listed, self._gone.get(host, 0.0)))

    def listed(self, watch: "_Watch", present: set[str]) -> None:
        """Take the hosts that are there now; a watch that has ended says nothing."""
        with self._guard:
            if watch is not self._watch:
                return
            changed = self._present ^ present
            self._present, self._listed = set(present), self._clock()
            self._gone.clear()
        self._tell(changed)

    def changed(self, watch: "_Watch", event: Event) -> None:
        """Take the arrival or the end of one host; a record that cannot be read is that of a host that renews it."""
        unread = event.record is None and event.key in self._store.set_aside(ClusterHost)
        with self._guard:
            if watch is not self._watch:
                return
            was = event.key in self._present
            if event.record is not None or unread:
                self._present.add(event.key)
                self._gone.pop(event.key, None)
            elif was:
                self._present.discard(event.key)
                self._gone[event.key] = self._clock()
            changed = {event.key} if was != (event.key in self._present) else set()
        self._tell(changed)

    def broken(self, watch: "_Watch") -> None:
        """Know nothing until the watch has begun again."""
        with self._guard:
            if watch is self._watch:
                self._listed = None

    def _tell(self, hosts: set[str]) -> None:
        with self._guard:
            listeners = list(self._listeners)
        for host in sorted(hosts):
            for heard in listeners:
                heard(host)


class _Watch:
    """A thread that follows the records until it is stopped."""

    def __init__(self, store: SharedStore, hosts: LivingHosts) -> None:
        self._store = store
        self._hosts = hosts
        self._stopped = threading.Event()
        self._guard = threading.Lock()  # guards _open
        self._open = ExitStack()

    def start(self) -> None:
        threading.Thread(target=self._run, name="living hosts", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        with self._guard:
            self._open.close()

    def _run(self) -> None:
        steady = Steady()
        while not self._stopped.is_set():
            steady.attempt("watch of living hosts", self._follow)
            self._hosts.broken(self)
            self._stopped.wait(RETRY)

    def _follow(self) -> None:
        try:
            for event in self._begin():
                self._hosts.changed(self, event)
        except PynetError as error:
            log.debug("living hosts not watched", error=str(error))
        finally:
            with self._guard:
                self._open.close()

    def _begin(self) -> Iterator[Event]:
        with ExitStack() as stack:
            events = stack.enter_context(self._store.watch(ClusterHost))
            there = {item.record.id for item in self._store.list(ClusterHost)}
            self._hosts.listed(self, there | set(self._store.set_aside(ClusterHost)))
            with self._guard:
                self._open = stack.pop_all()
                if self._stopped.is_set():
                    self._open.close()
        return events
