"""Deletes links after the reply: the kernel takes 17 ms for a veth pair and 37 ms for a bridge, all links waiting.

What is left to do stands in the store as tombstones, written in the same transaction that removes the network or the
endpoint; so a crash in between leaks nothing. A tombstone names the owner of its link, and a link that somebody else
made with that name meanwhile is left alone (``plugin.host.own_links``). A link whose name is wanted again is deleted at
once, by ``clear``. The reaper also retries removals that failed altogether (``plugin.request.retries``).
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
PAUSE = 0.3  # seconds without a new tombstone: links are deleted together, and not in the way of what the engine does
LONGEST = 5.0  # seconds that a link waits at most for such a pause
TOGETHER = 128  # links that are deleted together at most


class Reaper:
    """One thread that empties a queue of tombstones; ``retries`` are removals that failed."""

    def __init__(
        self, links: OwnLinks, firewall: Firewall, store: Store, locks: Locks, longest: float = LONGEST
    ) -> None:
        self._longest = longest
        self._links = links
        self._firewall = firewall
        self._store = store
        self._locks = locks
        self._queue: queue.Queue[Tombstone | None] = queue.Queue()
        self._doomed: set[str] = set()  # names of links that have a tombstone; the store says the same
        self._loop: Loop[set[str]] | None = None
        self._running = True
        self.retries = RetryQueue()

    def start(self) -> list[Loop[Any]]:
        """Begin with the tombstones that an earlier run left; returns the threads."""
        self._enqueue(item.record for item in self._store.list(Tombstone))
        self._loop = Loop("reaper", self._wait, self._reap).start()
        return [self.retries.start(), self._loop]

    def bury(self, tombstones: Sequence[Tombstone], *removed: Change) -> None:
        """Write tombstones together with the removal of records, in one transaction, and delete the links later."""
        self._store.transact(*removed, *map(Put, tombstones))
        self._enqueue(tombstones)

    def clear(self, link: str) -> None:
        """Make sure that no deletion of ``link`` is pending, because the name is about to be used again."""
        if link in self._doomed:
            tombstone = self._store.get(Tombstone, link)
            if tombstone is not None:
                self._delete([link])

    def stop(self) -> None:
        """Delete what is queued and end the thread; what fails stands in the store for the next start."""
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
        """Wait for a tombstone and gather what comes until there is a pause; say whether there is more to come."""
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
        """Links first, rules after them, tombstones last: nothing flows unfiltered, and a crash repeats it all."""
        names = sorted(links)
        with self._locks.hold(*map(LockName.link, names)):
            stones = [found.record for name in names if (found := self._store.get(Tombstone, name)) is not None]
            try:
                self._links.delete(stones)
            except KernelError:  # one that cannot be deleted must not keep the others' rules
                self._forget([stone for stone in stones if self._links.find(stone.link, stone.owner) is None])
                raise
            self._forget(stones)

    def _forget(self, stones: Sequence[Tombstone]) -> None:
        names = [stone.link for stone in stones]
        if names:
            self._firewall.forget(*names)
            self._store.transact(*(Remove(Tombstone, name) for name in names))
            self._doomed.difference_update(names)
