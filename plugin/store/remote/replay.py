"""Remembers the revisions that a watch has reported, so that after a gap only the difference is reported."""

from collections.abc import Iterable, Mapping, Sequence

from plugin.store.base import Event, R, Unreadable
from plugin.store.rows import Aside, Row


class KnownRevisions:
    """The records of one kind, by key. A record that cannot be read is reported as removed."""

    def __init__(self, kind: type[R], known: Mapping[str, int], aside: Aside) -> None:
        self._kind = kind
        self._aside = aside
        self._known = dict(known)

    def apply(self, row: Row) -> list[Event]:
        """Return the event of one change; none when it was reported already."""
        if row.body is None:
            self._aside.forget(self._kind.kind, row.key)
            return [self._removed(row.key, row.revision)] if self._known.pop(row.key, None) is not None else []
        if self._known.get(row.key, 0) >= row.revision:
            return []
        self._known[row.key] = row.revision
        try:
            record = self._aside.read(self._kind, row).record
        except Unreadable:  # a newer pynet on another host may write what this one cannot read
            return [self._removed(row.key, row.revision)]
        return [Event(self._kind.kind, row.key, record, row.revision)]

    def replace(self, rows: Iterable[Row], revision: int) -> Sequence[Event]:
        """Return the events between the last one and ``rows``, a listing of all records at ``revision``."""
        present = {row.key: row for row in rows}
        removed = [self._removed(key, revision) for key in sorted(set(self._known) - set(present))]
        for event in removed:
            del self._known[event.key]
        changed = sorted(present.values(), key=lambda row: row.revision)
        return [*removed, *(event for row in changed for event in self.apply(row))]

    def _removed(self, key: str, revision: int) -> Event:
        return Event(self._kind.kind, key, None, revision)
