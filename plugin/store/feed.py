"""Watches of a store that only this process writes."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

from plugin.store.base import Event


class EventFeed:
    """Hands events to the threads that watch; the store publishes them in the order of its commits."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards _queues and _closed
        self._queues: list[tuple[str, str, SimpleQueue[Event | None]]] = []
        self._closed = False

    @contextmanager
    def watch(self, kind: str, prefix: str = "") -> Iterator[Iterator[Event]]:
        """Collect the events of ``kind`` with ``prefix`` from now on; the iterator ends with the block or the store."""
        queue: SimpleQueue[Event | None] = SimpleQueue()
        entry = (kind, prefix, queue)
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
                for kind, prefix, queue in self._queues:
                    if kind == event.kind and event.key.startswith(prefix):
                        queue.put(event)

    def close(self) -> None:
        """End every watch, also those that begin later."""
        with self._guard:
            self._closed = True
            for _, _, queue in self._queues:
                queue.put(None)
