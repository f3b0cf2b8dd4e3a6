"""The embedded store: one SQLite file in WAL mode, on stable storage before a transaction returns.

Writers that arrive while another one waits for the disk are committed together by the next of them, so that many
requests at once cost few flushes. Readers have connections of their own and see the last commit without waiting.
"""

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import structlog

from netlink.deadline import remaining
from plugin.errors import Busy, Failed, PynetError
from plugin.store.base import ABSENT, Change, Event, R, StoreConflict, Versioned
from plugin.store.codec import decode
from plugin.store.sqlite.files import beside, companions, create, file_errors, identity, put_in_place
from plugin.store.sqlite.schema import migrate, sqlite_errors
from plugin.store.writes import Watches, Write, check, check_key, prepare

log = structlog.get_logger()

READERS = 16  # connections that read at the same time; each costs three file descriptors
LOCK_WAIT = 5.0  # seconds for other processes that have the file open, such as a backup
LOG_SIZE = (4 << 20) + (64 << 10)  # bytes: a checkpoint comes after 1,000 pages of 4 KiB
TURN_WAIT = 10.0  # seconds for the writers of this process, half of a request's deadline


@dataclass(frozen=True, slots=True)
class _Job:
    """A transaction in the queue; its future holds nothing, or the error that the writer shall see."""

    writes: Sequence[Write]
    done: "Future[None]" = field(default_factory=Future)


class SqliteStore:
    """Records in the file ``path``, made 0600 (a missing folder 0700). See ``plugin.store.base.Store``.

    Connections do not survive a fork: open the store in the process that uses it.

    Raises:
        Failed: the file cannot be opened, is no database, or was written by a newer pynet.
        Busy: another process keeps it locked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = [os.fsencode(name) for name in (path, *companions(path))]
        self._turn = threading.Lock()  # guards _writer; whoever holds it commits the whole queue
        self._queue: deque[_Job] = deque()
        self._slots = threading.BoundedSemaphore(READERS)
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        self._watches = Watches()
        if not path.exists():
            create(path)
        self._writer = self._open_writer()
        self._files = self._files_now()  # those that are open; guarded by _turn
        self._copied = False  # whether only the connections have to follow to the path; guarded by _turn

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        """Return the record, or None."""
        with self._reader() as connection:
            row = connection.execute(
                "SELECT revision, body FROM record WHERE kind = ? AND key = ?", (kind.kind, check_key(kind.kind, key))
            ).fetchone()
        return None if row is None else Versioned(decode(kind, row[1]), row[0])

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        """Return every record of ``kind`` whose key begins with ``prefix``, by key."""
        rows = []
        with self._reader() as connection:
            # Keys with the prefix are neighbours in the table; the scan stops at the first one without it.
            for key, revision, body in connection.execute(
                "SELECT key, revision, body FROM record WHERE kind = ? AND key >= ? ORDER BY key",
                (kind.kind, check_key(kind.kind, prefix)),
            ):
                if not key.startswith(prefix):
                    break
                rows.append((revision, body))
        return [Versioned(decode(kind, body), revision) for revision, body in rows]

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none; they are on stable storage when this returns.

        Raises:
            StoreConflict: a record was not at the revision that was expected.
        """
        job = _Job(prepare(changes))
        self._queue.append(job)
        patience = remaining(TURN_WAIT)
        if self._turn.acquire(timeout=patience):
            try:
                if not job.done.done():
                    self._commit_queue()
            finally:
                self._turn.release()
        elif job.done.cancel():
            raise Busy(f"write store '{self._path}': other writers kept it for more than {patience:.0f} s")
        job.done.result()

    def watch(self, kind: type[R]) -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on; the iterator blocks until one comes or the store closes."""
        return self._watches.watch(kind.kind)

    def close(self) -> None:
        """Wait for the writer, close every connection and end the watches; a second call does nothing."""
        with self._turn:
            self._closed = True
            self._writer.close()
        self._close_idle()
        self._watches.close()

    def _open_writer(self) -> sqlite3.Connection:
        with file_errors("open store", self._path):
            self._path.chmod(0o600)  # SQLite gives its -wal and -shm files the mode of the database
        with sqlite_errors("open", self._path):
            writer = self._connect()
            try:
                writer.execute("PRAGMA journal_mode = WAL")
                migrate(writer, self._path)
                _extend_log(self._path)
            except BaseException:
                writer.close()
                raise
        return writer

    def _files_now(self) -> Sequence[tuple[int, int, int] | None]:
        """Return which files have the names of the database and of its companions; None for no file."""
        return [identity(path) for path in self._names]

    def _return_to_place(self) -> None:
        """Write everything to the path again when somebody deleted or replaced a file there; the caller has the turn.

        What is open is the truth, as every answer was given from it. What stands at the path is set aside.
        """
        if self._closed or self._files_now() == self._files:
            return
        with self._no_readers():
            if not self._copied:
                self._copy_to_place()
                self._copied = True
            # The last connection to go removes a log by its name; so no old one may outlive the birth of the new one.
            self._close_idle()
            self._writer.close()
            self._writer = self._open_writer()
            self._files = self._files_now()
            self._copied = False

    def _wait_and_return(self) -> None:
        if not self._turn.acquire(timeout=TURN_WAIT):
            raise Busy(f"read store '{self._path}': writers kept it for more than {TURN_WAIT:.0f} s")
        try:
            self._return_to_place()
        finally:
            self._turn.release()

    def _copy_to_place(self) -> None:
        with file_errors("make store", self._path):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with beside(self._path) as new, sqlite_errors("write", self._path), closing(sqlite3.connect(new)) as copy:
            self._writer.backup(copy)
        with file_errors("replace store", self._path):
            for path in (*companions(self._path), self._path):
                if identity(os.fsencode(path)) in self._files:
                    path.unlink(missing_ok=True)  # ours, and copied: it must not go aside as a part of another's
        aside = put_in_place(self._path, "foreign")
        log.error(
            "store was deleted or replaced, written again from what was known",
            store=str(self._path),
            set_aside=str(aside) if aside else "nothing",
        )

    @contextmanager
    def _no_readers(self) -> Iterator[None]:
        taken = 0
        try:
            for _ in range(READERS):
                if not self._slots.acquire(timeout=TURN_WAIT):
                    raise Busy(f"write store '{self._path}' again: readers kept it for more than {TURN_WAIT:.0f} s")
                taken += 1
            yield
        finally:
            for _ in range(taken):
                self._slots.release()

    def _commit_queue(self) -> None:
        jobs = []
        while self._queue:
            job = self._queue.popleft()
            if job.done.set_running_or_notify_cancel():
                jobs.append(job)
        try:
            self._return_to_place()
            events = self._commit(jobs)
        except PynetError as error:
            for job in jobs:
                own = copy(error)  # each writer adds notes of its own, of what it could not take back
                own.__cause__ = error.__cause__
                job.done.set_exception(own)
            return
        except BaseException:
            for job in jobs:
                job.done.set_exception(Failed(f"write store '{self._path}': the writer was interrupted"))
            raise
        self._watches.publish([event for part in events if not isinstance(part, StoreConflict) for event in part])
        for job, outcome in zip(jobs, events, strict=True):
            if isinstance(outcome, StoreConflict):
                job.done.set_exception(outcome)
            else:
                job.done.set_result(None)

    def _commit(self, jobs: Sequence[_Job]) -> Sequence[Sequence[Event] | StoreConflict]:
        """Apply ``jobs`` in one transaction of SQLite; one that meets a conflict leaves no trace in it."""
        with sqlite_errors("write", self._path):
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                outcomes = [self._apply(job.writes) for job in jobs]
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        return outcomes

    def _apply(self, writes: Sequence[Write]) -> Sequence[Event] | StoreConflict:
        try:
            for write in writes:
                if write.expect is not None:
                    check(write, self._revision_of(write))
        except StoreConflict as conflict:
            return conflict
        (revision,) = self._writer.execute("SELECT revision + 1 FROM counter").fetchone()
        events = [
            Event(write.kind, write.key, write.record, revision) for write in writes if self._put(write, revision)
        ]
        if events:
            self._writer.execute("UPDATE counter SET revision = ?", (revision,))
        return events

    def _revision_of(self, write: Write) -> int:
        row = self._writer.execute(
            "SELECT revision FROM record WHERE kind = ? AND key = ?", (write.kind, write.key)
        ).fetchone()
        return ABSENT if row is None else int(row[0])

    def _put(self, write: Write, revision: int) -> bool:
        if write.body is None:
            cursor = self._writer.execute("DELETE FROM record WHERE kind = ? AND key = ?", (write.kind, write.key))
        else:
            cursor = self._writer.execute(
                "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", (write.kind, write.key, revision, write.body)
            )
        return cursor.rowcount > 0

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a file that is missing must not be made empty.
        where = f"file:{quote(str(self._path))}?mode=rw"
        connection = sqlite3.connect(where, uri=True, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA synchronous = FULL")  # in WAL mode NORMAL would lose commits with the power
            # A reader that stays lets the log grow; it is cut when it is begun again (SQLite's own rule is never).
            connection.execute(f"PRAGMA journal_size_limit = {LOG_SIZE}")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        if self._files_now() != self._files:
            self._wait_and_return()
        if not self._slots.acquire(timeout=remaining(TURN_WAIT)):
            raise Busy(f"read store '{self._path}': other readers kept it too long")
        try:
            with sqlite_errors("read", self._path):
                connection = self._take_reader()
                try:
                    yield connection
                finally:
                    self._idle.append(connection)
                    if self._closed:
                        self._close_idle()
        finally:
            self._slots.release()

    def _close_idle(self) -> None:
        with suppress(IndexError):  # close() and the last readers may empty it together
            while True:
                self._idle.pop().close()

    def _take_reader(self) -> sqlite3.Connection:
        if self._closed:
            raise Failed(f"read store '{self._path}': it is closed")
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()


def _extend_log(path: Path) -> None:
    """Write zeros behind the log, so that a commit overwrites blocks that there are: 130 µs to the disk instead of 230.

    A file that grows has its size written too, in a transaction of the file system. SQLite overwrites its log from the
    beginning after each checkpoint, and takes what follows the last valid frame for the end of it
    (https://www.sqlite.org/fileformat2.html#walformat). It locks other files, so opening this one breaks no lock.
    """
    try:
        with Path(f"{path}-wal").open("r+b", buffering=0) as wal:
            before = wal.seek(0, os.SEEK_END)
            missing = max(0, LOG_SIZE - before)
            if wal.write(bytes(missing)) < missing:
                wal.truncate(before)  # what is left of the disk is not for zeros
                log.info("log of the store not extended", error="no room")
            os.fsync(wal.fileno())
    except OSError as error:  # a full disk: the log grows by itself as long as it can
        log.info("log of the store not extended", error=str(error))


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
