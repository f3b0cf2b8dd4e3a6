"""The tables of the SQLite store and their versions, and SQLite's errors as kinds of ``plugin.errors``."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from plugin.errors import Busy, Failed, Incompatible

# One entry a version, never changed once released; PRAGMA user_version says how many have been applied.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE record (kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL,
           PRIMARY KEY (kind, key)) WITHOUT ROWID""",
        "CREATE TABLE counter (revision INTEGER NOT NULL)",
        "INSERT INTO counter VALUES (0)",
    ),
)

# https://www.sqlite.org/rescode.html; only errors about which a user can do something have a text here.
_CAUSES: dict[int, str] = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not a database of pynet",
    sqlite3.SQLITE_IOERR: "the disk reported an error",
}
_TAKEN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_MAGIC, _VERSION = b"SQLite format 3\0", slice(60, 64)  # https://www.sqlite.org/fileformat2.html#the_database_header
_PRIMARY = 0xFF  # an extended result code carries the primary one in its lowest byte


@contextmanager
def sqlite_errors(action: str, path: Path) -> Iterator[None]:
    """Translate errors of the ``sqlite3`` module into ``Busy`` or ``Failed``, which name the file and the cause."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        # Errors of the Python module itself, such as the use of a closed connection, carry no code of SQLite.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
        where = f"{action} store '{path}'"
        if code in _TAKEN:
            raise Busy(f"{where}: another process keeps it locked") from error
        if code == sqlite3.SQLITE_CANTOPEN and not os.access(path.parent, os.W_OK):
            code = sqlite3.SQLITE_READONLY  # the log cannot be made
        cause = _CAUSES.get(code)
        raise Failed(f"{where}: {cause} ({error})" if cause else f"{where}: {error}") from error


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of the tables, 0 for a file that pynet did not make."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check_version(path: Path) -> None:
    """Look at the header of a database, quickly and without opening it; what else is wrong is found when it is opened.

    Raises:
        Incompatible: a newer pynet wrote the file.
    """
    with suppress(OSError), path.open("rb") as file:
        head = file.read(_VERSION.stop)
        if head.startswith(_MAGIC):
            _refuse_newer(int.from_bytes(head[_VERSION], "big"), path)


def _refuse_newer(version: int, path: Path) -> None:
    if version > len(MIGRATIONS):
        raise Incompatible(
            f"open store '{path}': a newer pynet wrote it (version {version}, this one reads up to "
            f"{len(MIGRATIONS)}); start that pynet again or choose another state folder"
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Migrate the tables to the version of this pynet, in one transaction; ``connection`` is in autocommit mode.

    Raises:
        Incompatible: a newer pynet wrote the file.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection)
        _refuse_newer(version, path)
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        if version < len(MIGRATIONS):
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
