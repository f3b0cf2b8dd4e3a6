"""The embedded store: one SQLite file in WAL mode, on stable storage before a transaction returns.

Writers that arrive while another one waits for the disk are committed together by the next of them, so that many
requests at once cost few flushes. Readers have connections of their own and see the last commit without waiting.
"""

import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from netlink.deadline import remaining
from netlink.values import dataclass
from plugin.errors import Busy, Failed, PynetError
from plugin.store.base import ABSENT, Change, Event, R, StoreConflict, Versioned
from plugin.store.feed import EventFeed
from plugin.store.rows import Write, check, check_key, decode, prepare
from plugin.store.sqlite.connections import LOCK_WAIT, WRITER_WAIT, Connections
from plugin.store.sqlite.schema import sqlite_errors

# A verb reads its network and its endpoint several times; with 4,000 ports it takes 30 ms to decode an endpoint.
_decoded = lru_cache(maxsize=16)(decode)


@dataclass(frozen=True, slots=True)
class _Job:
    """A transaction in the queue; its future gets None, or the error for its writer."""

    writes: Sequence[Write]
    done: "Future[None]" = field(default_factory=Future)


class SqliteStore:
    """Records in the file ``path``, made 0600 (a missing folder 0700). See ``plugin.store.base.Store``.

    ``known`` has all records of some kinds, by kind; their first listing does not read them again, unless one was
    written before. Connections do not survive a fork: open the store in the process that uses it.

    Raises:
        Failed: the file cannot be opened, is no database, or was written by a newer pynet.
        Busy: another process keeps it locked.
    """

    def __init__(self, path: Path, known: Mapping[str, Sequence[Versioned[Any]]] | None = None) -> None:
        self._path = path
        self._known = dict(known or {})
        self._queue: deque[_Job] = deque()
        self._feed = EventFeed()
        self._connections = Connections(path)

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        with self._connections.reader() as connection:
            row = connection.execute(
                "SELECT revision, body FROM record WHERE kind = ? AND key = ?", (kind.kind, check_key(kind.kind, key))
            ).fetchone()
        return None if row is None else Versioned(_decoded(kind, row[1]), row[0])

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        if not prefix and (known := self._known.pop(kind.kind, None)) is not None:
            return known
        rows = []
        with self._connections.reader() as connection:
            # Keys with the prefix are neighbours in the table; the scan stops at the first one without it.
            for key, revision, body in connection.execute(
                "SELECT key, revision, body FROM record WHERE kind = ? AND key >= ? ORDER BY key",
                (kind.kind, check_key(kind.kind, prefix)),
            ):
                if not key.startswith(prefix):
                    break
                rows.append((revision, body))
        return [Versioned(decode(kind, body), revision) for revision, body in rows]

    def revision(self) -> int:
        with self._connections.reader() as connection:
            return int(connection.execute("SELECT revision FROM counter").fetchone()[0])

    def since(self, kind: type[R], revision: int) -> tuple[Sequence[str], Sequence[Versioned[R]]]:
        with self._connections.reader() as connection:
            keys = [key for (key,) in connection.execute("SELECT key FROM record WHERE kind = ?", (kind.kind,))]
            rows = connection.execute(
                "SELECT revision, body FROM record WHERE kind = ? AND revision > ?", (kind.kind, revision)
            ).fetchall()
        return keys, [Versioned(decode(kind, body), found) for found, body in rows]

    def transact(self, *changes: Change) -> None:
        job = _Job(prepare(changes))
        for write in job.writes if self._known else ():
            self._known.pop(write.kind, None)
        self._queue.append(job)
        patience = remaining(WRITER_WAIT)
        if self._connections.writing.acquire(timeout=patience):
            try:
                if not job.done.done():
                    self._commit_queue()
            finally:
                self._connections.writing.release()
        elif job.done.cancel():
            raise Busy(f"write store '{self._path}': other writers kept it for more than {patience:.0f} s")
        job.done.result()

    def watch(self, kind: type[R], prefix: str = "") -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on; the iterator blocks until one comes or the store closes."""
        return self._feed.watch(kind.kind, prefix)

    def close(self) -> None:
        """Wait for the writer, close every connection and end the watches; a second call does nothing."""
        self._connections.close()
        self._feed.close()

    def _commit_queue(self) -> None:
        jobs = []
        while self._queue:
            job = self._queue.popleft()
            if job.done.set_running_or_notify_cancel():
                jobs.append(job)
        try:
            self._connections.follow_path()
            outcomes = self._commit(jobs)
        except PynetError as error:
            for job in jobs:
                own = copy(error)  # each writer adds notes to its own, about what it could not undo
                own.__cause__ = error.__cause__
                job.done.set_exception(own)
            return
        except BaseException:
            for job in jobs:
                job.done.set_exception(Failed(f"write store '{self._path}': the writer was interrupted"))
            raise
        self._feed.publish([event for part in outcomes if not isinstance(part, StoreConflict) for event in part])
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, StoreConflict):
                job.done.set_exception(outcome)
            else:
                job.done.set_result(None)

    def _commit(self, jobs: Sequence[_Job]) -> Sequence[Sequence[Event] | StoreConflict]:
        """Apply ``jobs`` in one transaction of SQLite; one that meets a conflict leaves no trace in it."""
        writer = self._connections.writer
        with sqlite_errors("write", self._path):
            try:
                writer.execute("BEGIN IMMEDIATE")
                outcomes = [_apply(writer, job.writes) for job in jobs]
                writer.execute("COMMIT")
            except BaseException:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise
        return outcomes


def _apply(writer: sqlite3.Connection, writes: Sequence[Write]) -> Sequence[Event] | StoreConflict:
    try:
        for write in writes:
            if write.expect is not None:
                check(write, _revision_of(writer, write))
    except StoreConflict as conflict:
        return conflict
    (revision,) = writer.execute("SELECT revision + 1 FROM counter").fetchone()
    done = [write for write in writes if not write.only_expects and _put(writer, write, revision)]
    events = [Event(write.kind, write.key, write.record, revision) for write in done]
    if events:
        writer.execute("UPDATE counter SET revision = ?", (revision,))
    return events


def _revision_of(writer: sqlite3.Connection, write: Write) -> int:
    row = writer.execute("SELECT revision FROM record WHERE kind = ? AND key = ?", (write.kind, write.key)).fetchone()
    return ABSENT if row is None else int(row[0])


def _put(writer: sqlite3.Connection, write: Write, revision: int) -> bool:
    if write.body is None:
        cursor = writer.execute("DELETE FROM record WHERE kind = ? AND key = ?", (write.kind, write.key))
    else:
        cursor = writer.execute(
            "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", (write.kind, write.key, revision, write.body)
        )
    return cursor.rowcount > 0


def read_records(path: Path, kind: type[R]) -> Sequence[R]:
    """Return every record of ``kind`` without opening the store, which belongs to the process that serves.

    Raises:
        Failed: there is no such file, or it cannot be read.
    """
    with sqlite_errors("read", path):
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=LOCK_WAIT)
        try:
            rows = connection.execute("SELECT body FROM record WHERE kind = ? ORDER BY key", (kind.kind,)).fetchall()
        finally:
            connection.close()
    return [decode(kind, body) for (body,) in rows]


class ReadOnlyStore:
    """See ``plugin.store.base.Store``; revisions are not read. A missing file has no records."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        return next((item for item in self.list(kind, key) if item.record.key == key), None)

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        if not self._path.exists():
            return []
        records = read_records(self._path, kind)
        return [Versioned(record, ABSENT) for record in records if record.key.startswith(prefix)]

    def revision(self) -> int:
        """Return ``ABSENT``: revisions are not read."""
        return ABSENT

    def since(self, kind: type[R], revision: int) -> tuple[Sequence[str], Sequence[Versioned[R]]]:
        """Return the keys of all records of ``kind``, and all records."""
        del revision
        found = self.list(kind)
        return [item.record.key for item in found], found

    def transact(self, *changes: Change) -> None:
        """Refuse."""
        raise Failed(
            f"write store '{self._path}': it is open for reading only, and {len(changes)} changes were to be made"
        )

    def watch(self, kind: type[R], prefix: str = "") -> AbstractContextManager[Iterator[Event]]:
        """Refuse."""
        raise Failed(f"watch {kind.kind} '{prefix}' in store '{self._path}': it is open for reading only")

    def close(self) -> None:
        """Do nothing: no connection is open."""
