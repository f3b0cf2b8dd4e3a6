"""The store as one SQLite file: written ahead (WAL) and synced before a transaction returns.

One connection a thread, because SQLite's are cheap and readers then never wait for the fsync of a writer.
"""

import os
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from plugin.errors import Busy, Failed, PynetError
from plugin.store.base import Change, Event, Put, R, Remove, StoreConflict, Versioned
from plugin.store.codec import decode, encode

PATIENCE = 5.0  # seconds that a statement waits for another process's lock

# Migration N brings a file of schema version N to version N + 1 (PRAGMA user_version); entries are never changed.
MIGRATIONS = (
    """
    CREATE TABLE record (kind TEXT, key TEXT, revision INTEGER NOT NULL, body TEXT NOT NULL,
                         PRIMARY KEY (kind, key)) WITHOUT ROWID;
    CREATE TABLE counter (revision INTEGER NOT NULL);
    INSERT INTO counter VALUES (0);
    """,
)


class SqliteStore:
    """See ``plugin.store.base.Store``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._writing = threading.Lock()  # guards the order of transactions and of the events that tell of them
        self._watching = threading.Lock()  # guards _watches
        self._watches: list[tuple[str, queue.Queue[Event | None]]] = []
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._errors():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._migrate()

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        """Return the record, or None."""
        with self._errors():
            query = "SELECT body, revision FROM record WHERE kind = ? AND key = ?"
            row = self._connection().execute(query, (kind.kind, key)).fetchone()
        return Versioned(decode(kind, row[0]), row[1]) if row else None

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        """Return every record of ``kind`` whose key begins with ``prefix``, by key."""
        with self._errors():
            query = "SELECT body, revision FROM record WHERE kind = ? AND key >= ? AND key < ? ORDER BY key"
            end = prefix + chr(0x10FFFF)
            rows = self._connection().execute(query, (kind.kind, prefix, end)).fetchall()
        return [Versioned(decode(kind, body), revision) for body, revision in rows]

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none; they are on the disk when this returns."""
        with self._errors(), self._writing:
            events = self._write(changes)
            with self._watching:
                for kind, waiting in self._watches:
                    for event in events:
                        if event.kind == kind:
                            waiting.put(event)

    @contextmanager
    def watch(self, kind: type[R]) -> Iterator[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on."""
        entry: tuple[str, queue.Queue[Event | None]] = (kind.kind, queue.Queue())
        with self._watching:
            self._watches.append(entry)
        try:
            yield iter(entry[1].get, None)
        finally:
            with self._watching:
                self._watches.remove(entry)

    def close(self) -> None:
        """End the watches; connections of other threads close with their threads."""
        with self._watching:
            for _, waiting in self._watches:
                waiting.put(None)
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            del self._local.connection

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._local.connection = connection
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _write(self, changes: Sequence[Change]) -> Sequence[Event]:
        with self._transaction() as connection:
            (revision,) = connection.execute("UPDATE counter SET revision = revision + 1 RETURNING revision").fetchone()
            return [_apply(connection, change, revision) for change in changes]

    def _migrate(self) -> None:
        (version,) = self._connection().execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            known = f"schema {version}, this one knows {len(MIGRATIONS)}"
            raise Failed(f"open '{self._path}': it was written by a newer pynet ({known})")
        for number in range(version, len(MIGRATIONS)):
            script = f"BEGIN IMMEDIATE; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;"
            self._connection().executescript(script)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what SQLite and the file system say into a sentence."""
        try:
            yield
        except PynetError:
            raise
        except sqlite3.OperationalError as error:
            kind = Busy if "locked" in str(error) or "busy" in str(error) else Failed
            raise kind(f"use the state file '{self._path}': {error}") from error
        except (sqlite3.Error, OSError) as error:
            raise Failed(f"use the state file '{self._path}': {error}") from error


def _apply(connection: sqlite3.Connection, change: Change, revision: int) -> Event:
    removing = isinstance(change, Remove)
    kind, key = (
        (change.kind.kind, change.key) if isinstance(change, Remove) else (change.record.kind, change.record.key)
    )
    if change.expect is not None:
        row = connection.execute("SELECT revision FROM record WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        if (row[0] if row else 0) != change.expect:
            raise StoreConflict(f"{kind} '{key}' was changed by somebody else")
    if removing:
        connection.execute("DELETE FROM record WHERE kind = ? AND key = ?", (kind, key))
        return Event(kind, key, None, revision)
    assert isinstance(change, Put)  # noqa: S101 - the other half of Change
    values = (kind, key, revision, encode(change.record))
    connection.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", values)
    return Event(kind, key, change.record, revision)
