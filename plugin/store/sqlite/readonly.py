"""The records of a store that another process serves, for reading only."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from plugin.errors import Failed
from plugin.store.base import ABSENT, Change, Event, R, Versioned
from plugin.store.sqlite.store import read_records


class ReadOnlyStore:
    """See ``plugin.store.base.Store``; revisions are not read. A missing file has no records."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        """Return the record, or None."""
        return next((item for item in self.list(kind, key) if item.record.key == key), None)

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        """Return every record of ``kind`` whose key begins with ``prefix``, by key."""
        if not self._path.exists():
            return []
        records = read_records(self._path, kind)
        return [Versioned(record, ABSENT) for record in records if record.key.startswith(prefix)]

    def transact(self, *changes: Change) -> None:
        """Refuse."""
        raise Failed(
            f"write store '{self._path}': it is open for reading only, and {len(changes)} changes were to be made"
        )

    def watch(self, kind: type[R]) -> AbstractContextManager[Iterator[Event]]:
        """Refuse."""
        raise Failed(f"watch {kind.kind} in store '{self._path}': it is open for reading only")

    def close(self) -> None:
        """Do nothing: no connection is open."""
