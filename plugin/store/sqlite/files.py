"""The files of the embedded store: made whole or not at all, and set aside instead of deleted.

A database is written under another name, flushed and renamed, and then the folder is flushed, because a name is not
durable before that. A crash after the old database was set aside leaves ``FILE.ready``, a whole database that only has
to be renamed; ``finish`` does that at the next start.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from netlink.errors import reason
from netlink.values import dataclass
from plugin.errors import Failed
from plugin.store.sqlite.schema import migrate, sqlite_errors

COMPANIONS = ("-wal", "-shm")  # of a database in WAL mode; the log is moved first, never to meet another database
NEW, READY = ".new", ".ready"
STAMP = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, slots=True)
class FileRow:
    """A record as it is stored in the file."""

    kind: str
    key: str
    revision: int
    body: str


@contextmanager
def file_errors(action: str, path: Path) -> Iterator[None]:
    """Translate errors of the operating system into ``Failed``, which names the file and the cause."""
    try:
        yield
    except OSError as error:
        raise Failed(f"{action} '{path}': {reason(error)}") from error


def sync_folder(folder: Path) -> None:
    """Flush a folder, so that the names in it survive the loss of power (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private_file(path: Path) -> None:
    """Make an empty file, 0600; raises OSError, also when the file exists."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def write_private(path: Path, text: str) -> None:
    """Write ``text`` to the file ``path``, 0600 and flushed, whole or not at all; raises OSError."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    private_file(part)
    with part.open("w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    part.rename(path)


def create(path: Path, rows: Sequence[FileRow] = ()) -> None:
    """Make the database ``path`` with ``rows``, whole and durable; a missing folder is made, 0700.

    Raises:
        Failed: the folder cannot be written, or the disk is full.
    """
    with file_errors("make store", path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_ready(path, rows)
    with file_errors("make store", path):
        ready_of(path).rename(path)
        sync_folder(path.parent)


def ready_of(path: Path) -> Path:
    """Return the name of a whole database that is going to replace ``path``."""
    return path.with_name(path.name + READY)


def write_ready(path: Path, rows: Sequence[FileRow]) -> None:
    """Write a database with ``rows`` beside ``path``, under the name that ``put_in_place`` takes."""
    with beside(path) as new, sqlite_errors("make", path), closing(sqlite3.connect(new, isolation_level=None)) as made:
        made.execute("PRAGMA synchronous = FULL")
        migrate(made, new)
        made.execute("BEGIN")
        made.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", [(r.kind, r.key, r.revision, r.body) for r in rows])
        made.execute("UPDATE counter SET revision = ?", (max((row.revision for row in rows), default=0),))
        made.execute("COMMIT")


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give an empty file to write; it is flushed and becomes ``ready_of(path)``, or is deleted if the block raises."""
    new = path.with_name(path.name + NEW)
    with file_errors("make store", path):
        for leftover in (new, *companions(new), new.with_name(new.name + "-journal")):
            leftover.unlink(missing_ok=True)
        private_file(new)
    try:
        yield new
        with file_errors("flush store", new):
            flush(new)
            new.rename(ready_of(path))
            sync_folder(path.parent)
    except BaseException:
        for half in (new, *companions(new), new.with_name(new.name + "-journal")):
            half.unlink(missing_ok=True)
        raise


def flush(path: Path) -> None:
    """Bring a file to stable storage."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def companions(path: Path) -> list[Path]:
    """Return the names of the files that SQLite keeps beside a database."""
    return [path.with_name(path.name + suffix) for suffix in COMPANIONS]


def put_in_place(path: Path, why: str) -> Path | None:
    """Set aside the database at ``path``, and replace it by the one that is ready; return the new name of the old one.

    Raises:
        Failed: the folder cannot be written; the old database is still there, or ``finish`` completes the replacement.
    """
    with file_errors("replace store", path):
        aside = set_aside(path, why)
        ready_of(path).rename(path)
        sync_folder(path.parent)
    return aside


def set_aside(path: Path, why: str) -> Path | None:
    """Rename a database and its companions to ``FILE.WHY-TIME``; return that name, None when nothing was there."""
    aside = path.with_name(f"{path.name}.{why}-{datetime.now(UTC).strftime(STAMP)}")
    pairs = zip((*companions(path), path), (*companions(aside), aside), strict=True)
    moved = [old.rename(new) for old, new in pairs if old.exists()]
    return aside if moved else None


def identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file, None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def finish(path: Path) -> Path | None:
    """Complete a replacement that a crash interrupted; return the new name of the old file, None if there was none."""
    return put_in_place(path, "replaced") if ready_of(path).exists() else None
