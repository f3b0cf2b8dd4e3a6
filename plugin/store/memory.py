"""A store in memory with the semantics of the durable ones, for tests and for a host without a cluster."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from plugin.errors import Failed
from plugin.store.base import ABSENT, Change, Event, R, Record, Versioned
from plugin.store.feed import EventFeed
from plugin.store.rows import Aside, Row, check, check_key, prepare


class MemoryStore:
    """See ``plugin.store.base.Store``. Records are kept as JSON, so that one that cannot be encoded fails here too."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards everything below
        self._rows: dict[tuple[str, str], tuple[int, str]] = {}
        self._revision = 0
        self._closed = False
        self._feed = EventFeed()
        self._aside = Aside()

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        with self._guard:
            self._refuse_when_closed()
            row = self._rows.get((kind.kind, check_key(kind.kind, key)))
        return None if row is None else self._aside.read(kind, Row(key, *row))

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        with self._guard:
            self._refuse_when_closed()
            check_key(kind.kind, prefix)
            keys = sorted(key for of, key in self._rows if of == kind.kind and key.startswith(prefix))
            rows = [Row(key, *self._rows[kind.kind, key]) for key in keys]
        return self._aside.read_all(kind, prefix, rows)

    def set_aside(self, kind: type[Record], prefix: str = "") -> Mapping[str, str]:
        return self._aside.keys(kind, prefix)

    def revision(self) -> int:
        """Return the revision of the last change."""
        with self._guard:
            return self._revision

    def since(self, kind: type[R], revision: int) -> tuple[Sequence[str], Sequence[Versioned[R]]]:
        """Return the keys of all records of ``kind``, and the records that were written after ``revision``."""
        found = self.list(kind)
        return [item.record.key for item in found], [item for item in found if item.revision > revision]

    def spoil(self, kind: type[Record], key: str, body: str) -> None:
        """Write ``body``, which need not be a record, as another program may into a shared store."""
        with self._guard:
            self._revision += 1
            self._rows[kind.kind, key] = (self._revision, body)
            self._feed.publish([Event(kind.kind, key, None, self._revision)])

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none; raises ``StoreConflict`` when a record was not at its expected revision."""
        with self._guard:
            self._refuse_when_closed()
            writes = prepare(changes)
            for write in writes:
                check(write, self._rows.get((write.kind, write.key), (ABSENT, ""))[0])
            events, revision = [], self._revision + 1
            for write in (each for each in writes if not each.only_expects):
                at = (write.kind, write.key)
                if write.body is not None:
                    self._rows[at] = (revision, write.body)
                elif self._rows.pop(at, None) is None:
                    continue
                self._revision = revision
                events.append(Event(write.kind, write.key, write.record, revision))
            self._feed.publish(events)

    def watch(self, kind: type[R], prefix: str = "") -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on; the iterator blocks until one comes or the store closes."""
        return self._feed.watch(kind.kind, prefix)

    def close(self) -> None:
        """End the watches and refuse every further call."""
        with self._guard:
            self._closed = True
        self._feed.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise Failed("use the store in memory: it is closed")
