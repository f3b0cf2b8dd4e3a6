"""The store as dictionaries, for tests and for trying things out: same semantics, nothing survives the process."""

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from plugin.store.base import Change, Event, Put, R, Record, Remove, StoreConflict, Versioned


class MemoryStore:
    """See ``plugin.store.base.Store``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards everything below
        self._records: dict[tuple[str, str], Versioned[Record]] = {}
        self._revision = 0
        self._watches: list[tuple[str, queue.Queue[Event | None]]] = []

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        """Return the record, or None."""
        with self._lock:
            return self._records.get((kind.kind, key))  # type: ignore[return-value]

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        """Return every record of ``kind`` whose key begins with ``prefix``, by key."""
        with self._lock:
            found = [(key, item) for (name, key), item in self._records.items() if name == kind.kind]
        return [item for key, item in sorted(found) if key.startswith(prefix)]  # type: ignore[misc]

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none."""
        with self._lock:
            for change in changes:
                self._check(change)
            for change in changes:
                self._apply(change)

    @contextmanager
    def watch(self, kind: type[R]) -> Iterator[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on."""
        events: queue.Queue[Event | None] = queue.Queue()
        with self._lock:
            self._watches.append((kind.kind, events))
        try:
            yield iter(events.get, None)
        finally:
            with self._lock:
                self._watches.remove((kind.kind, events))

    def close(self) -> None:
        """End the watches."""
        with self._lock:
            for _, events in self._watches:
                events.put(None)

    def snapshot(self) -> object:
        """Return every record, in a comparable form."""
        with self._lock:
            return {name: item.record for name, item in self._records.items()}

    def _check(self, change: Change) -> None:
        kind, key = _name(change)
        present = self._records.get((kind, key))
        revision = present.revision if present else 0
        if change.expect is not None and change.expect != revision:
            raise StoreConflict(f"{kind} '{key}' was changed by somebody else")

    def _apply(self, change: Change) -> None:
        name = _name(change)
        self._revision += 1
        record = change.record if isinstance(change, Put) else None
        if record is not None:
            self._records[name] = Versioned(record, self._revision)
        else:
            self._records.pop(name, None)
        for kind, events in self._watches:
            if kind == name[0]:
                events.put(Event(*name, record, self._revision))


def _name(change: Change) -> tuple[str, str]:
    if isinstance(change, Remove):
        return change.kind.kind, change.key
    return change.record.kind, change.record.key
