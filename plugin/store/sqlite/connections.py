"""The open connections of the embedded store: one that writes, several that read, and all of them on the right file.

Somebody may delete or replace the file while it is open. The open file is the truth, because all answers came from it:
the next use writes all of it to the path again and opens new connections there.
"""

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import structlog

from netlink.deadline import remaining
from plugin.errors import Busy, Failed
from plugin.store.sqlite.files import beside, companions, create, file_errors, identity, put_in_place
from plugin.store.sqlite.schema import migrate, sqlite_errors

log = structlog.get_logger()

READERS = 16  # connections that read at the same time; each costs three file descriptors
CACHE = 128  # KiB of pages a connection keeps, instead of SQLite's 2,000; the kernel keeps the file as well
LOCK_WAIT = 5.0  # seconds for other processes that have the file open, such as a backup
LOG_SIZE = (4 << 20) + (64 << 10)  # bytes: a checkpoint comes after 1,000 pages of 4 KiB
WRITER_WAIT = 10.0  # seconds for the writers of this process, half of a request's deadline


class Connections:
    """Connections to the database ``path``, which is made when there is none; raises as ``SqliteStore`` does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = (path, *companions(path))
        self._slots = threading.BoundedSemaphore(READERS)
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        self.writing = threading.Lock()  # guards everything below; held by the thread that writes
        if not path.exists():
            create(path)
        self.writer = self._open_writer()
        self._files = self._files_now()  # the open files
        self._copied = False  # whether all was written to the path and only the connections have to follow

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read with.

        Raises:
            Busy: other readers or writers took too long.
            Failed: the store is closed, or its file is gone and cannot be written again.
        """
        if self._files_now() != self._files:
            self._wait_and_follow()
        if not self._slots.acquire(timeout=remaining(WRITER_WAIT)):
            raise Busy(f"read store '{self._path}': other readers kept it too long")
        try:
            with sqlite_errors("read", self._path):
                connection = self._take_idle()
                try:
                    yield connection
                finally:
                    self._idle.append(connection)
                    if self._closed:
                        self._close_idle()
        finally:
            self._slots.release()

    def follow_path(self) -> None:
        """Write everything to the path again if somebody deleted or replaced a file there; call it with ``writing``.

        A file that was put there instead is set aside.
        """
        if self._closed or self._files_now() == self._files:
            return
        with self._no_readers():
            if not self._copied:
                self._copy_to_path()
                self._copied = True
            # The last connection to close removes the log by its name: all old ones close before a new log is made.
            self._close_idle()
            self.writer.close()
            self.writer = self._open_writer()
            self._files = self._files_now()
            self._copied = False

    def close(self) -> None:
        """Wait for the writer and close every connection; a second call does nothing."""
        with self.writing:
            self._closed = True
            self.writer.close()
        self._close_idle()

    def _open_writer(self) -> sqlite3.Connection:
        with file_errors("open store", self._path):
            self._path.chmod(0o600)  # SQLite gives its -wal and -shm files the mode of the database
        with sqlite_errors("open", self._path):
            writer = self._connect()
            try:
                writer.execute("PRAGMA journal_mode = WAL")
                migrate(writer, self._path)
                _reserve_log(self._path)
            except BaseException:
                writer.close()
                raise
        return writer

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a file that is missing must not be made empty.
        where = f"file:{quote(str(self._path))}?mode=rw"
        connection = sqlite3.connect(where, uri=True, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA cache_size = -{CACHE}")
            connection.execute("PRAGMA synchronous = FULL")  # in WAL mode NORMAL would lose commits with the power
            # A reader that stays lets the log grow. With this limit SQLite shortens the log when it begins it again.
            connection.execute(f"PRAGMA journal_size_limit = {LOG_SIZE}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _files_now(self) -> Sequence[tuple[int, int] | None]:
        """Return which files have the names of the database and of its companions; None for no file."""
        return [identity(name) for name in self._names]

    def _wait_and_follow(self) -> None:
        if not self.writing.acquire(timeout=WRITER_WAIT):
            raise Busy(f"read store '{self._path}': writers kept it for more than {WRITER_WAIT:.0f} s")
        try:
            self.follow_path()
        finally:
            self.writing.release()

    def _copy_to_path(self) -> None:
        with file_errors("make store", self._path):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with beside(self._path) as new, sqlite_errors("write", self._path), closing(sqlite3.connect(new)) as copy:
            self.writer.backup(copy)
        with file_errors("replace store", self._path):
            for path in (*companions(self._path), self._path):
                if identity(path) in self._files:
                    path.unlink(missing_ok=True)  # ours, and copied: it must not be set aside with foreign files
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
                if not self._slots.acquire(timeout=WRITER_WAIT):
                    raise Busy(f"write store '{self._path}' again: readers kept it for more than {WRITER_WAIT:.0f} s")
                taken += 1
            yield
        finally:
            for _ in range(taken):
                self._slots.release()

    def _take_idle(self) -> sqlite3.Connection:
        if self._closed:
            raise Failed(f"read store '{self._path}': it is closed")
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _close_idle(self) -> None:
        with suppress(IndexError):  # close() and the last readers may empty it together
            while True:
                self._idle.pop().close()


def _reserve_log(path: Path) -> None:
    """Write zeros behind the log, so that it has its full size before the disk is full.

    On a full disk pynet can then still store removals: 200 of 200 succeed, and none without the zeros. A commit that
    need not grow the file is also 60 µs faster (median of six runs of 240 commits, in turns).

    SQLite overwrites its log from the beginning after each checkpoint, and takes what follows the last valid frame for
    the end of it (https://www.sqlite.org/fileformat2.html#walformat). It locks other files, so that opening this one
    breaks no lock.
    """
    try:
        with Path(f"{path}-wal").open("r+b", buffering=0) as wal:
            before = wal.seek(0, os.SEEK_END)
            missing = max(0, LOG_SIZE - before)
            if wal.write(bytes(missing)) < missing:
                wal.truncate(before)  # the rest of the disk must not be filled with zeros
                log.info("log of the store not extended", error="no room")
            os.fsync(wal.fileno())
    except OSError as error:  # a full disk: the log grows by itself as long as it can
        log.info("log of the store not extended", error=str(error))
