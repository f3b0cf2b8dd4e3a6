"""The store on file systems that are full or read-only, in a mount namespace of the test."""

from pathlib import Path

import pytest

from cli.server.records import KINDS
from plugin.errors import Failed
from plugin.model.records import Tombstone
from plugin.store.base import Put, Remove
from plugin.store.sqlite.backup import copy_state, restore, write_copy
from plugin.store.sqlite.lockfile import lock_state
from plugin.store.sqlite.opening import open_store
from plugin.store.sqlite.store import SqliteStore, read_records
from tests.kernel.container import sh

pytestmark = pytest.mark.kernel


def fill(disk: Path) -> Path:
    """Write until nothing fits any more."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return filler


def test_a_full_disk_fails_the_call_and_the_next_one_succeeds(disk: Path) -> None:
    """A full disk fails the call with a sentence; unacknowledged records are gone, acknowledged ones are there."""
    path = disk / "state" / "pynet.db"
    store = SqliteStore(path)
    acknowledged = []
    filler = fill(disk)
    with pytest.raises(Failed, match=r"write store '.*pynet\.db': the disk is full"):
        for number in range(100):
            store.transact(Put(Tombstone(f"link{number:02}", "x" * 200_000)))
            acknowledged.append(f"link{number:02}")
    filler.unlink()
    store.transact(Put(Tombstone("after")))

    assert [record.link for record in read_records(path, Tombstone)] == ["after", *acknowledged]
    store.close()


def test_removals_succeed_while_the_disk_is_full(disk: Path) -> None:
    """Removals succeed on a full disk, as the log has its full size from the start."""
    path = disk / "state" / "pynet.db"
    store = SqliteStore(path)
    store.transact(*(Put(Tombstone(f"link{number:03}", "x" * 500)) for number in range(200)))
    store.close()
    store = SqliteStore(path)
    fill(disk)
    for number in range(200):
        store.transact(Remove(Tombstone, f"link{number:03}"))

    assert store.list(Tombstone) == []
    store.close()


@pytest.mark.parametrize("damaged", [False, True])
def test_a_start_on_a_full_disk_changes_nothing(disk: Path, damaged: bool) -> None:
    """A start on a full disk leaves a damaged file in place until there is room for a new one."""
    path = disk / "pynet.db"
    if damaged:
        SqliteStore(path).close()
        path.write_bytes(b"\xff" * 8192)
    filler = fill(disk)
    names = sorted(file.name for file in disk.iterdir())
    with pytest.raises(Failed, match=r"(full|no space left)"):
        open_store(path, KINDS, lambda _: ())
    assert sorted(file.name for file in disk.iterdir()) == names
    filler.unlink()
    open_store(path, KINDS, lambda _: ()).close()


def test_a_backup_to_a_full_disk_leaves_nothing(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A backup to a full disk leaves no half file, and a restore to a full disk changes nothing."""
    path = tmp_path_factory.mktemp("state") / "pynet.db"
    store = SqliteStore(path)
    store.transact(Put(Tombstone("a", "x" * 10_000)))
    store.close()
    filler = fill(disk)
    copy = copy_state(path).database
    with pytest.raises(Failed, match="no space left on device"):
        write_copy(copy, disk / "copy")
    with pytest.raises(Failed, match="no space left on device"):
        restore(path, disk / "pynet.db", KINDS)

    assert list(disk.iterdir()) == [filler]


def test_a_read_only_file_system_is_a_sentence(disk: Path) -> None:
    """A start on a read-only file system ends with a sentence, and works after a remount."""
    path = disk / "pynet.db"
    SqliteStore(path).close()
    lock_state(disk).release()
    sh(f"mount -o remount,ro {disk}")
    with pytest.raises(Failed, match=r"open lock file '.*lock': read-only file system"):
        lock_state(disk)
    with pytest.raises(Failed, match=r"store '.*pynet\.db': .*read-only"):
        open_store(path, KINDS, lambda _: ())
    sh(f"mount -o remount,rw {disk}")

    lock_state(disk).release()
    open_store(path, KINDS, lambda _: ()).close()


def test_a_place_that_turns_read_only_under_the_running_store_is_a_sentence(disk: Path) -> None:
    """While a read-only mount covers the folder calls fail with a sentence; afterwards they succeed."""
    path = disk / "state" / "pynet.db"
    store = SqliteStore(path)
    store.transact(Put(Tombstone("before")))
    sh(f"mount -t tmpfs -o ro over {path.parent}")
    for call in (lambda: store.transact(Put(Tombstone("lost"))), lambda: store.list(Tombstone)):
        with pytest.raises(Failed, match=r"store '.*pynet\.db': read-only file system"):
            call()
    sh(f"umount {path.parent}")
    store.transact(Put(Tombstone("after")))

    assert [record.link for record in read_records(path, Tombstone)] == ["after", "before"]
    store.close()
