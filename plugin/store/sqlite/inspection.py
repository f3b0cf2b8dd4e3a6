"""Finds out whether a database is damaged, and reads what it can from a damaged one.

A mirror copy of the records cannot replace ``_mend_first_page`` and ``walfile`` (80 lines): a copy older than the last
commit lacks addresses in use and has networks that were removed. Renewed with every commit it costs each verb too much:
a second file takes another 0.9 of a commit (0.25 ms), ``VACUUM INTO`` seven (1,000 records) to thirty (10,000).
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from plugin.errors import Failed
from plugin.store.base import Record
from plugin.store.rows import decode
from plugin.store.sqlite.files import FileRow, companions, create, file_errors
from plugin.store.sqlite.schema import MIGRATIONS, sqlite_errors, version_of
from plugin.store.sqlite.walfile import wal_damage

Kinds = Sequence[type[Record]]
Found = Callable[[Record, int], object]

SHOWN = 100  # characters of a key, which may be of any length in a damaged file
_SELECT = "SELECT kind, key, revision, body FROM record"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SHORT_READ = 522  # SQLITE_IOERR_SHORT_READ: the file ends where a page should be
_PAGE_SIZE, _PAGE_COUNT = slice(16, 18), slice(28, 32)  # https://www.sqlite.org/fileformat2.html#the_database_header


def ignore(record: Record, revision: int) -> None:
    """Do nothing."""
    del record, revision


def find_damage(path: Path, kinds: Kinds, found: Found = ignore) -> str:
    """Return the damage of the database ``path``, or "". A database that a newer pynet wrote is not damaged.

    ``found`` is called with each record that can be read and its revision, in the order of kinds and keys.

    Raises:
        Failed: it cannot be opened or read; Busy: another process keeps it locked.
    """
    with file_errors("check store", path):
        if path.stat().st_size == 0:
            return "the file is empty"
    with sqlite_errors("check", path):
        try:
            with closing(connect(path, read_only=True)) as connection:
                version = version_of(connection)  # SQLite reads its log now
                with file_errors("check store", path):
                    damage = wal_damage(*companions(path))
                return damage or (_damage_in(connection, kinds, found) if version <= len(MIGRATIONS) else "")
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            return str(error)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a database that anybody may have written: its schema may call only functions without side effects.

    With ``read_only`` its log stays as it is when the connection closes.
    """
    where = f"file:{quote(str(path))}?mode={'ro' if read_only else 'rwc'}"
    connection = sqlite3.connect(where, uri=True, timeout=5.0, isolation_level=None)
    connection.text_factory = lambda data: data.decode(errors="replace")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def all_rows(connection: sqlite3.Connection) -> list[FileRow]:
    """Return every record of a database in which ``find_damage`` found nothing."""
    return [row for row in map(_row, connection.execute(_SELECT)) if row is not None]


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF in _DAMAGED or code == _SHORT_READ


def _damage_in(connection: sqlite3.Connection, kinds: Kinds, found: Found) -> str:
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        return str(verdict).replace("\n", " ")
    if version_of(connection) == 0:
        return ""  # made by SQLite and not yet by pynet
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"record", "counter"} <= tables:
        return "its tables are missing"
    rows, by_name = map(_row, connection.execute(f"{_SELECT} ORDER BY kind, key")), _by_name(kinds)
    bad = [row for row in rows if row is None or not _readable(row, by_name, found)]
    if not bad:
        return ""
    first = f"{bad[0].kind} {ascii(bad[0].key)[:SHOWN]}" if bad[0] else "a row"
    return f"{len(bad)} of its records cannot be read, the first is {first}"


def _by_name(kinds: Kinds) -> Mapping[str, type[Record]]:
    return {kind.kind: kind for kind in kinds}


def _readable(row: FileRow, kinds: Mapping[str, type[Record]], found: Found = ignore) -> bool:
    """Return whether a row is a record that pynet could have written; rows of unknown kinds are accepted.

    ``found`` is called with the record, if its kind is known.
    """
    kind = kinds.get(row.kind)
    if kind is None:
        return True
    try:
        record = decode(kind, row.body)
        check: Callable[[], None] | None = getattr(record, "check", None)  # kinds with names, rules or paths have it
        if check is not None:
            check()
    except (Failed, ValueError):
        return False
    if record.key != row.key:
        return False
    found(record, row.revision)
    return True


def _row(values: Sequence[object]) -> FileRow | None:
    match values:
        case (str(kind), str(key), int(revision), str(body)):
            return FileRow(kind, key, revision, body)
    return None


def salvage(path: Path, kinds: Kinds) -> list[FileRow]:
    """Return every record that can be read from a damaged database; works on a copy and changes nothing.

    Raises:
        Failed: there is no room for the copy, or the disk reports an error.
    """
    with file_errors("read damaged store", path), TemporaryDirectory(dir=path.parent, prefix="salvage-") as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        log, log_copy = companions(path)[0], companions(copy)[0]
        if log.exists():
            shutil.copyfile(log, log_copy)
        rows = _read(copy, kinds)
        if not rows:
            _mend_first_page(path, copy)
            log_copy.unlink(missing_ok=True)
            rows = _read(copy, kinds)
    by_name = _by_name(kinds)
    return [row for row in rows if _readable(row, by_name)]


def _read(path: Path, kinds: Kinds) -> list[FileRow]:
    """Read all records and each kind, forwards and backwards, because a scan ends at the first damaged page."""
    found: dict[tuple[str, str], FileRow] = {}
    with suppress(sqlite3.Error), closing(connect(path)) as connection:
        for where, values in [("", ()), *((" WHERE kind = ?", (kind.kind,)) for kind in kinds)]:
            for order in ("ASC", "DESC"):
                select = f"{_SELECT}{where} ORDER BY kind {order}, key {order}"
                found |= {(row.kind, row.key): row for row in _rows(connection, select, values)}
    return list(found.values())


def _rows(connection: sqlite3.Connection, select: str, values: Sequence[str]) -> Iterator[FileRow]:
    with suppress(sqlite3.Error):
        for row in map(_row, connection.execute(select, values)):
            if row is not None:
                yield row


def _mend_first_page(path: Path, copy: Path) -> None:
    """Give ``copy`` the first page of a new database: all databases of a version have the same header and tables."""
    template = copy.with_name("template.db")
    create(template)
    fresh = template.read_bytes()
    size = int.from_bytes(fresh[_PAGE_SIZE], "big")
    old = path.read_bytes()
    pages = max(1, len(old) // size)
    first = bytearray(fresh[:size])
    first[_PAGE_COUNT] = pages.to_bytes(4, "big")
    copy.write_bytes(bytes(first) + old[size : pages * size])
