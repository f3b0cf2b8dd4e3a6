"""Records as rows of a store: JSON, so that a store written by an older or a newer pynet can be read.

Unknown keys are ignored; missing keys take the default of their field.

Anybody with access to a store that hosts share can write anything there. A record that cannot be read is set aside:
listings and watches leave it out, a warning is logged once, and it returns as soon as somebody has mended it. A caller
that concludes from a listing that something does not exist must also ask ``keys``.
"""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import structlog

from netlink.values import dataclass
from plugin.errors import Failed
from plugin.store.base import ABSENT, Change, Expect, Put, R, Record, StoreConflict, Unreadable, Versioned
from plugin.store.codec import reader, writer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Row:
    """A record as a store keeps it: ``body`` is None when it was removed at ``revision``."""

    key: str
    revision: int
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A change with its record encoded; ``body`` is None when the record is to be removed.

    With ``only_expects`` the record stays as it is.
    """

    kind: str
    key: str
    expect: int | None
    record: Record | None = None
    body: str | None = None
    only_expects: bool = False


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
            record = _flawless(kind, row)
        except Failed as error:
            with self._guard:
                new = self._rows.get(at, (0, ""))[0] != row.revision
                self._rows[at] = row.revision, str(error)
            if new:
                log.warning(
                    "record of the cluster store set aside", kind=kind.kind, key=ascii(row.key), error=str(error)
                )
            raise Unreadable(f"record {kind.kind} {row.key!a} of the cluster store cannot be read: {error}") from error
        if at in self._rows:
            self.forget(*at)
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
        for key in set(self.keys(kind, prefix)) - keys if self._rows else ():
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


def prepare(changes: Sequence[Change]) -> list[Write]:
    """Encode ``changes``, in the thread of the caller.

    Raises:
        Failed: a key cannot be written as UTF-8.
    """
    return [_prepare(change) for change in changes]


def _prepare(change: Change) -> Write:
    if isinstance(change, Put):
        record = change.record
        return Write(record.kind, check_key(record.kind, record.key), change.expect, record, encode(record))
    key = check_key(change.kind.kind, change.key)
    if isinstance(change, Expect):
        return Write(change.kind.kind, key, change.revision, only_expects=True)
    return Write(change.kind.kind, key, change.expect)


def changing(writes: Sequence[Write]) -> dict[tuple[str, str], Write]:
    """Return the writes that change a record, by kind and key; of several on one record the last one counts."""
    return {(write.kind, write.key): write for write in writes if not write.only_expects}


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


def as_text(data: bytes) -> str:
    """Return the bytes in a store as text; bytes that are not UTF-8 become characters that no record may contain."""
    return data.decode(errors="surrogateescape")


def encode(record: Record) -> str:
    """Return ``record`` as one line of JSON; the order of the keys is that of the fields."""
    return json.dumps(writer(type(record))(record), separators=(",", ":"))


def decode(kind: type[R], text: str) -> R:
    """Read a record of ``kind``.

    Raises:
        Failed: the text is not JSON, lacks a field without a default, or holds a value of another type.
    """
    try:
        return cast("R", reader(kind)(json.loads(text)))
    except KeyError as error:
        raise Failed(f"read a stored {kind.kind}: field {error} is missing") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise Failed(f"read a stored {kind.kind}: {error}") from error


def _flawless(kind: type[R], row: Row) -> R:
    record = decode(kind, row.body or "")
    flaw = "its key is another one's" if record.key != row.key else getattr(record, "flaw", "")
    if flaw:
        raise Failed(f"read a stored {kind.kind}: {flaw}")
    return record
