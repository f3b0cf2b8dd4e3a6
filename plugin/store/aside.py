"""Records of a store that hosts share, read with care: anybody who may write there can write anything.

One that cannot be read is set aside: listings and watches go on without it, it is warned of once, and it is back as
soon as it was mended. Who decides by a listing that something is not there asks ``keys`` too.
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
    """Return what a store holds as text; bytes that are no UTF-8 become what no record may contain."""
    return data.decode(errors="surrogateescape")


class Aside:
    """What of one store cannot be read, as of the last look at it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards _rows
        self._rows: dict[tuple[str, str], tuple[int, str]] = {}

    def read(self, kind: type[R], row: Row) -> Versioned[R]:
        """Return the record of a row.

        Raises:
            Unreadable: it is none; said once for each revision.
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
        """Return the records among ``rows``, which are all whose keys begin with ``prefix``."""
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
        """Note that a record was mended or removed."""
        with self._guard:
            self._rows.pop((kind, key), None)

    def keys(self, kind: type[Record], prefix: str = "") -> Mapping[str, str]:
        """Return why records were set aside, by their keys."""
        with self._guard:
            return {
                key: why for (of, key), (_, why) in self._rows.items() if of == kind.kind and key.startswith(prefix)
            }


def _refuse_flaws(record: Record, key: str) -> None:
    flaw = "its key is another one's" if record.key != key else getattr(record, "flaw", "")
    if flaw:
        raise Failed(f"read a stored {record.kind}: {flaw}")
