"""A store that forgets: the semantics of the durable ones, for tests."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from plugin.errors import Failed
from plugin.store.base import ABSENT, Change, Event, R, Versioned
from plugin.store.codec import decode
from plugin.store.writes import Watches, Write, check, check_key, prepare


class MemoryStore:
    """Records as JSON in a dict, so that what cannot be encoded fails here too. See ``plugin.store.base.Store``."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards everything below
        self._rows: dict[tuple[str, str], tuple[int, str]] = {}
        self._revision = 0
        self._closed = False
        self._watches = Watches()

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        """Return the record, or None."""
        with self._guard:
            self._refuse_when_closed()
            row = self._rows.get((kind.kind, check_key(kind.kind, key)))
        return None if row is None else Versioned(decode(kind, row[1]), row[0])

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        """Return every record of ``kind`` whose key begins with ``prefix``, by key."""
        check_key(kind.kind, prefix)
        with self._guard:
            self._refuse_when_closed()
            rows = [(at[1], *row) for at, row in self._rows.items() if at[0] == kind.kind and at[1].startswith(prefix)]
        return [Versioned(decode(kind, body), revision) for _, revision, body in sorted(rows)]

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none; raises ``StoreConflict`` when a record was not at its expected revision."""
        writes = prepare(changes)
        with self._guard:
            self._refuse_when_closed()
            for write in writes:
                check(write, self._rows.get((write.kind, write.key), (ABSENT, ""))[0])
            self._watches.publish(self._apply(writes))

    def _apply(self, writes: Sequence[Write]) -> Sequence[Event]:
        events = []
        revision = self._revision + 1
        for write in writes:
            at = (write.kind, write.key)
            if write.body is not None:
                self._rows[at] = (revision, write.body)
            elif self._rows.pop(at, None) is None:
                continue
            self._revision = revision
            events.append(Event(write.kind, write.key, write.record, revision))
        return events

    def watch(self, kind: type[R]) -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on; the iterator blocks until one comes or the store closes."""
        return self._watches.watch(kind.kind)

    def close(self) -> None:
        """End the watches and refuse every further call."""
        with self._guard:
            self._closed = True
        self._watches.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise Failed("use the store in memory: it is closed")
