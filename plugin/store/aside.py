"""Reads records of a store that hosts share, where anybody with access can write anything.

A record that cannot be read is set aside: listings and watches leave it out, a warning is logged once, and it returns
as soon as somebody has mended it. A caller that concludes from a listing that something does not exist must also ask
``keys``.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from plugin.errors import Failed
from plugin.store.base import R, Record, Unreadable, Versioned
from plugin.store.codec import decode

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Row:
    """A record as a store keeps it: ``body`` is None when it was removed at ``revision``."""

    key: str
    revision: int
    body: str | None = None


def as_text(data: bytes) -> str:
    """Return the bytes in a store as text; bytes that are not UTF-8 become characters that no record may contain."""
    return data.decode(errors="surrogateescape")


class Aside:
    """The records of one store that could not be read when they were last read."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards _rows
        self._rows: dict[tuple[str, str], tuple[int, str]] = {}

    def read(self, kind: type[R], row: Row) -> Versioned[R]:
        """Return the record of a row.

        Raises:
            Unreadable: it cannot be read; each revision is logged once.
        """
        at = (kind.kind, row.key)
        try:
            record = decode(kind, row.body or "")
            _refuse_flaws(record, row.key)
        except Failed as error:
            with self._guard:
                new = self._rows.get(at, (0, ""))[0] != row.revision
                self._rows[at] = row.revision, str(error)
            if new:
                log.warning(
                    "record of the cluster store set aside", kind=kind.kind, key=ascii(row.key), error=str(error)
                )
            raise Unreadable(f"record {kind.kind} {row.key!a} of the cluster store cannot be read: {error}") from error
        self.forget(kind.kind, row.key)
        return Versioned(record, row.revision)

    def read_all(self, kind: type[R], prefix: str, rows: Iterable[Row]) -> Sequence[Versioned[R]]:
        """Return the records of ``rows`` that can be read; ``rows`` are all whose keys begin with ``prefix``."""
        found, keys = [], set()
        for row in rows:
            keys.add(row.key)
            try:
                found.append(self.read(kind, row))
            except Unreadable:
                continue
        for key in set(self.keys(kind, prefix)) - keys:
            self.forget(kind.kind, key)
        return found

    def forget(self, kind: str, key: str) -> None:
        """Forget that a record could not be read: it was mended or removed."""
        with self._guard:
            self._rows.pop((kind, key), None)

    def keys(self, kind: type[Record], prefix: str = "") -> Mapping[str, str]:
        """Return the keys of the records that are set aside, and why."""
        with self._guard:
            return {
                key: why for (of, key), (_, why) in self._rows.items() if of == kind.kind and key.startswith(prefix)
            }


def _refuse_flaws(record: Record, key: str) -> None:
    flaw = "its key is another one's" if record.key != key else getattr(record, "flaw", "")
    if flaw:
        raise Failed(f"read a stored {record.kind}: {flaw}")
