"""Shared by all stores: changes encoded for writing, the comparison of compare-and-set, and watches in one process."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

from plugin.errors import Failed
from plugin.store.base import ABSENT, Change, Event, Put, Record, StoreConflict
from plugin.store.codec import encode


@dataclass(frozen=True, slots=True)
class Write:
    """A change with its record encoded; ``body`` is None when the record is to be removed."""

    kind: str
    key: str
    expect: int | None
    record: Record | None = None
    body: str | None = None


def prepare(changes: Sequence[Change]) -> list[Write]:
    """Encode ``changes``, in the caller's thread and before anything is locked.

    Raises:
        Failed: a key cannot be written as UTF-8.
    """
    return [_prepare(change) for change in changes]


def _prepare(change: Change) -> Write:
    if isinstance(change, Put):
        record = change.record
        return Write(record.kind, check_key(record.kind, record.key), change.expect, record, encode(record))
    return Write(change.kind.kind, check_key(change.kind.kind, change.key), change.expect)


def check_key(kind: str, key: str) -> str:
    """Return ``key``; raises ``Failed`` when it cannot be written as UTF-8 (JSON can hold half a surrogate pair)."""
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise Failed(f"look up {kind} {key!r}: its key is no valid text") from error
    return key


def check(write: Write, found: int) -> None:
    """Compare the revision that ``write`` expects with the one ``found``, ``ABSENT`` for no record.

    Raises:
        StoreConflict: they differ.
    """
    if write.expect is None or write.expect == found:
        return
    if found == ABSENT:
        reason = f"revision {write.expect} was expected, but it is gone"
    elif write.expect == ABSENT:
        reason = "it exists already"
    else:
        reason = f"revision {write.expect} was expected, but it is at {found}"
    raise StoreConflict(f"write {write.kind} '{write.key}': {reason}")


class EventFeed:
    """Hands events to the threads that watch; the store publishes them in the order of its commits."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards _queues and _closed
        self._queues: list[tuple[str, SimpleQueue[Event | None]]] = []
        self._closed = False

    @contextmanager
    def watch(self, kind: str) -> Iterator[Iterator[Event]]:
        """Collect the events of ``kind`` from now on; the iterator ends with the block or with the store."""
        queue: SimpleQueue[Event | None] = SimpleQueue()
        entry = (kind, queue)
        with self._guard:
            self._queues.append(entry)
            if self._closed:
                queue.put(None)
        try:
            yield iter(queue.get, None)
        finally:
            with self._guard:
                self._queues = [other for other in self._queues if other is not entry]
            queue.put(None)

    def publish(self, events: Sequence[Event]) -> None:
        """Hand ``events`` to the threads that watch their kinds."""
        with self._guard:
            for event in events:
                for kind, queue in self._queues:
                    if kind == event.kind:
                        queue.put(event)

    def close(self) -> None:
        """End every watch, also those that begin later."""
        with self._guard:
            self._closed = True
            for _, queue in self._queues:
                queue.put(None)
