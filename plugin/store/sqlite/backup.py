"""Backups of the embedded store: made while pynet writes to it, restored while pynet is stopped."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from netlink.values import dataclass
from plugin.errors import Conflict, Failed, Incompatible
from plugin.protocol.own_messages import StateCopy
from plugin.store.sqlite.files import FileRow, file_errors, flush, private_file, put_in_place, sync_folder, write_ready
from plugin.store.sqlite.inspection import Kinds, all_rows, connect, find_damage
from plugin.store.sqlite.schema import MIGRATIONS, migrate, sqlite_errors, version_of

LOCK_WAIT = 5.0  # seconds
Counts = Mapping[str, int]  # records by kind


@dataclass(frozen=True, slots=True)
class Restored:
    """The records in a restored store, and the new name of the store that was there before."""

    counts: Counts
    set_aside: Path | None


def copy_state(store: Path) -> StateCopy:
    """Return a consistent copy of the database ``store``.

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
    """Change the header so that no log is expected (https://www.sqlite.org/fileformat2.html, offsets 18 and 19)."""
    return database[:18] + b"\x01\x01" + database[20:]


def write_copy(database: bytes, target: Path) -> None:
    """Write a copy to a new file ``target``, 0600 and flushed.

    Raises:
        Conflict: the file ``target`` exists.
        Failed: it cannot be written; no part of it is left.
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
    """Replace ``store``, which is set aside, by the records of ``backup``; the caller holds the folder's lock.

    Anybody may have written the file, and pynet reads it as root: every record is checked, and only records are copied,
    into new tables. Triggers, views and other tables are not copied.

    Raises:
        Failed: the backup is damaged, not from pynet or from a newer one, or the folder cannot be written; then
            nothing has changed.
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
    """Return the records of a backup; works on a copy, which is changed to the version of this pynet."""
    with file_errors("copy backup", backup):
        shutil.copyfile(backup, copy)
    damage = find_damage(copy, kinds)
    if damage:
        raise Failed(f"restore '{backup}': it is damaged ({damage}); nothing was changed")
    with sqlite_errors("read", backup), closing(connect(copy)) as connection:
        version = version_of(connection)
        if version > len(MIGRATIONS):
            raise Incompatible(
                f"restore '{backup}': a newer pynet wrote it (version {version}, this one reads up to "
                f"{len(MIGRATIONS)}); nothing was changed"
            )
        if version == 0:
            raise Failed(f"restore '{backup}': it is not a backup of pynet; nothing was changed")
        migrate(connection, copy)
        return all_rows(connection)


def _counts(connection: sqlite3.Connection) -> Counts:
    return Counter(dict(connection.execute("SELECT kind, count(*) FROM record GROUP BY kind")))


def _existing(path: Path) -> sqlite3.Connection:
    # Not mode=ro: when no pynet runs, such a connection has to make a log and cannot remove it.
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=LOCK_WAIT)
