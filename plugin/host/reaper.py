"""Deletes links after the reply: the kernel takes 17 ms for a veth pair and 37 ms for a bridge, and stops all others.

The links to be deleted are stored as tombstones, in the transaction that removes their network or endpoint, so a crash
in between leaks nothing. A tombstone names the owner of its link; a link of that name that somebody else made meanwhile
is left alone (``plugin.host.own_links``). If the name is needed again, ``clear`` deletes the link at once. The reaper
also has the removals that failed and are tried again (``plugin.request.retries``).
"""

import math
import queue
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from netlink.errors import KernelError
from plugin.background.loop import Loop
from plugin.errors import PynetError
from plugin.firewall.firewall import Firewall
from plugin.host.own_links import OwnLinks
from plugin.model.records import Tombstone
from plugin.request.locks import LockName, Locks
from plugin.request.retries import RetryQueue
from plugin.store.base import Change, Put, Remove, Store

log = structlog.get_logger()

RETRY = 5.0  # seconds before a deletion that failed is tried again
PAUSE = 0.3  # seconds without a new tombstone: links are deleted together, and not while the engine makes others
LONGEST = 5.0  # seconds that a link waits for such a pause at most
TOGETHER = 32  # links that are deleted together at most, in 25 ms if none is a bridge; 128 take 76


class Reaper:
    """A thread that deletes the links of queued tombstones; ``retries`` are removals that failed."""

    def __init__(
        self, links: OwnLinks, firewall: Firewall, store: Store, locks: Locks, longest: float = LONGEST
    ) -> None:
        self._longest = longest
        self._links = links
        self._firewall = firewall
        self._store = store
        self._locks = locks
        self._queue: queue.Queue[Tombstone | None] = queue.Queue()
        self._doomed: set[str] = set()  # names of links that have a tombstone in the store
        self._loop: Loop[set[str]] | None = None
        self._running = True
        self.retries = RetryQueue()

    def start(self) -> list[Loop[Any]]:
        """Start with the tombstones that an earlier run left, and return the threads."""
        self._enqueue(item.record for item in self._store.list(Tombstone))
        self._loop = Loop("reaper", self._wait, self._reap).start()
        return [self.retries.start(), self._loop]

    def bury(self, tombstones: Sequence[Tombstone], *removed: Change) -> None:
        """Store tombstones and remove records in one transaction, and delete the links later."""
        self._store.transact(*removed, *map(Put, tombstones))
        self._enqueue(tombstones)

    def clear(self, link: str) -> None:
        """Delete ``link`` now if its deletion is pending, because the name is about to be used again."""
        if link in self._doomed:
            self._delete([link])

    def stop(self) -> None:
        """Delete the queued links and end the thread; the next start finds the tombstones of those that fail."""
        self.retries.stop()
        if self._loop is not None:
            self._queue.put(None)
            self._loop.join(2)

    def _enqueue(self, tombstones: Iterable[Tombstone]) -> None:
        for tombstone in tombstones:
            self._doomed.add(tombstone.link)
            self._queue.put(tombstone)

    def _wait(self) -> set[str] | None:
        if not self._running:
            return None
        batch, self._running = self._next_batch()
        return batch

    def _reap(self, links: set[str]) -> None:
        try:
            self._delete(links)
        except Exception as error:
            later = threading.Timer(RETRY, self._again, [links])
            later.daemon = True
            later.start()
            if not isinstance(error, KernelError | PynetError):
                raise
            log.warning("links not deleted yet", links=sorted(links), error=str(error))

    def _next_batch(self) -> tuple[set[str], bool]:
        """Wait for a tombstone and gather others until there is a pause; return whether there are more to come."""
        batch: set[str] = set()
        timeout, end = None, math.inf
        while len(batch) < TOGETHER and time.monotonic() < end:
            try:
                tombstone = self._queue.get(timeout=timeout)
            except queue.Empty:
                break
            if tombstone is None:
                return batch, False
            batch.add(tombstone.link)
            timeout, end = PAUSE, min(end, time.monotonic() + self._longest)
        return batch, True

    def _again(self, links: set[str]) -> None:
        for link in links:
            self._queue.put(Tombstone(link))

    def _delete(self, links: Iterable[str]) -> None:
        """Delete links, then their rules, then their tombstones: no packet is unfiltered, a crash repeats it all."""
        names = sorted(links)
        with self._locks.hold(*map(LockName.link, names)):
            stones = [found.record for name in names if (found := self._store.get(Tombstone, name)) is not None]
            try:
                self._links.delete(stones)
            except KernelError:  # a link that cannot be deleted must not keep the rules of the others
                self._forget([stone for stone in stones if self._links.find(stone.link, stone.owner) is None])
                raise
            self._forget(stones)

    def _forget(self, stones: Sequence[Tombstone]) -> None:
        names = [stone.link for stone in stones]
        if names:
            self._firewall.forget(*names)
            self._store.transact(*(Remove(Tombstone, name) for name in names))
            self._doomed.difference_update(names)
