"""Deletes links after the reply: the kernel takes 17 ms for a veth pair and 37 ms for a bridge.

What is left to do stands in the store as tombstones, written in the same transaction that removes the network or the
endpoint; so a crash in between leaks nothing. A link whose name is wanted again is deleted at once, by ``clear``.
"""

import queue
import threading
from collections.abc import Iterable
from contextlib import suppress

import structlog

from netlink.errors import KernelError, Missing
from plugin.errors import PynetError
from plugin.firewall.firewall import Firewall
from plugin.locks import Locks
from plugin.model import Tombstone
from plugin.ports import Kernel
from plugin.store.base import Remove, Store

log = structlog.get_logger()

RETRY = 5.0  # seconds before a deletion that failed is tried again


class Reaper:
    """One thread that empties a queue of tombstones."""

    def __init__(self, kernel: Kernel, firewall: Firewall, store: Store, locks: Locks) -> None:
        self._kernel = kernel
        self._firewall = firewall
        self._store = store
        self._locks = locks
        self._queue: queue.Queue[Tombstone | None] = queue.Queue()
        self._doomed: set[str] = set()  # names of links that have a tombstone; the store says the same
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin with the tombstones that an earlier run left."""
        self.bury(item.record for item in self._store.list(Tombstone))
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)
        self._thread.start()

    def bury(self, tombstones: Iterable[Tombstone]) -> None:
        """Queue links for deletion; their tombstones are in the store already."""
        for tombstone in tombstones:
            self._doomed.add(tombstone.link)
            self._queue.put(tombstone)

    def clear(self, link: str) -> None:
        """Make sure that no deletion of ``link`` is pending, because the name is about to be used again."""
        if link in self._doomed:
            tombstone = self._store.get(Tombstone, link)
            if tombstone is not None:
                self._delete(tombstone.record)

    def stop(self) -> None:
        """End the thread; what is left stands in the store for the next start."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout=2)

    def _run(self) -> None:
        while (tombstone := self._queue.get()) is not None:
            try:
                self._delete(tombstone)
            except (KernelError, PynetError) as error:
                log.warning("link not deleted yet", link=tombstone.link, error=str(error))
                threading.Timer(RETRY, self._queue.put, [tombstone]).start()

    def _delete(self, tombstone: Tombstone) -> None:
        """Link first, rules after it, tombstone last: nothing flows unfiltered, and a crash repeats it all."""
        with self._locks.hold(f"link {tombstone.link}"):
            if self._store.get(Tombstone, tombstone.link) is None:
                return
            with suppress(Missing):
                self._kernel.delete_link(tombstone.link)
            self._firewall.close_network(tombstone.link)
            self._store.transact(Remove(Tombstone, tombstone.link))
            self._doomed.discard(tombstone.link)
