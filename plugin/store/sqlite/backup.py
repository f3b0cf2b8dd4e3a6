"""Copies of the embedded store: taken while a pynet writes to it, put back while none does."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from plugin.errors import Conflict, Failed
from plugin.protocol.own_messages import StateCopy
from plugin.store.sqlite.files import FileRow, file_errors, flush, private_file, put_in_place, sync_folder, write_ready
from plugin.store.sqlite.inspection import Kinds, all_rows, connect, find_damage
from plugin.store.sqlite.schema import MIGRATIONS, migrate, sqlite_errors, version_of

LOCK_WAIT = 5.0  # seconds
Counts = Mapping[str, int]  # records by kind


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restored store holds, and where the one that was there is now."""

    counts: Counts
    set_aside: Path | None


def copy_state(store: Path) -> StateCopy:
    """Return the database ``store`` as of one moment.

    Raises:
        Failed: the store cannot be read.
        Busy: another process keeps the store locked.
    """
    with file_errors("read store", store):
        store.stat()
    with (
        sqlite_errors("copy", store),
        closing(_existing(store)) as source,
        closing(sqlite3.connect(":memory:")) as copy,
    ):
        source.backup(copy)
        return StateCopy(_in_one_file(copy.serialize()), _counts(copy))


def _in_one_file(database: bytes) -> bytes:
    """Say in the header that no log belongs to it (https://www.sqlite.org/fileformat2.html, offsets 18 and 19)."""
    return database[:18] + b"\x01\x01" + database[20:]


def write_copy(database: bytes, target: Path) -> None:
    """Write a copy into a new file ``target``, 0600 and flushed.

    Raises:
        Conflict: there is a file called ``target``.
        Failed: it cannot be written; no half of it stays.
    """
    with _new_file(target), file_errors("write backup", target):
        target.write_bytes(database)
        flush(target)
        sync_folder(target.absolute().parent)


@contextmanager
def _new_file(target: Path) -> Iterator[None]:
    try:
        with file_errors("write backup", target):
            private_file(target)
    except Failed as error:
        if isinstance(error.__cause__, FileExistsError):
            raise Conflict(f"write backup '{target}': there is a file of that name already") from None
        raise
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def restore(backup: Path, store: Path, kinds: Kinds) -> Restored:
    """Put the records of ``backup`` in the place of ``store``, which is set aside; the caller holds the folder's lock.

    Anybody may have written the file, and what pynet reads it does as root: every record is checked, and only records
    are taken, into tables of pynet's own. Triggers, views and other tables stay behind.

    Raises:
        Failed: the backup is damaged, none of pynet's or of a newer one, or the folder cannot be written; then
            everything is as it was.
    """
    with file_errors("read backup", backup):
        backup.stat()
    with file_errors("restore to", store):
        store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = TemporaryDirectory(dir=store.parent, prefix="restore-")
    with folder as name:
        rows = _checked(backup, Path(name) / store.name, kinds)
    write_ready(store, rows)
    return Restored(Counter(row.kind for row in rows), put_in_place(store, "replaced"))


def _checked(backup: Path, copy: Path, kinds: Kinds) -> list[FileRow]:
    """Copy the backup and return its records; the copy is written to, as it is brought to this pynet's version."""
    with file_errors("copy backup", backup):
        shutil.copyfile(backup, copy)
    damage = find_damage(copy, kinds)
    if damage:
        raise Failed(f"restore '{backup}': it is damaged ({damage}); nothing was changed")
    with sqlite_errors("read", backup), closing(connect(copy)) as connection:
        version = version_of(connection)
        if version > len(MIGRATIONS):
            raise Failed(
                f"restore '{backup}': a newer pynet wrote it (version {version}, this one reads up to "
                f"{len(MIGRATIONS)}); nothing was changed"
            )
        if version == 0:
            raise Failed(f"restore '{backup}': it is no backup of pynet; nothing was changed")
        migrate(connection, copy)
        return all_rows(connection)


def _counts(connection: sqlite3.Connection) -> Counts:
    return Counter(dict(connection.execute("SELECT kind, count(*) FROM record GROUP BY kind")))


def _existing(path: Path) -> sqlite3.Connection:
    # Not mode=ro: such a connection cannot remove the log that it has to make when no pynet runs.
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=LOCK_WAIT)
