"""Damaged files are recognised and set aside unchanged, and no readable record is lost."""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cli.server.records import KINDS
from plugin.errors import Failed
from plugin.model.records import Lease, Network, Tombstone
from plugin.store.base import ABSENT, Put, Record
from plugin.store.sqlite.files import READY, write_ready
from plugin.store.sqlite.inspection import find_damage
from plugin.store.sqlite.opening import open_store
from plugin.store.sqlite.schema import MIGRATIONS
from plugin.store.sqlite.store import SqliteStore

COUNT = 400  # records, enough for some twenty pages
PAGE = 4096


def nothing(_: Sequence[Record]) -> Sequence[Record]:
    """What the kernel shows where it shows nothing."""
    return ()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database that was closed, with ``COUNT`` tombstones."""
    path = tmp_path / "pynet.db"
    store = SqliteStore(path)
    store.transact(*(Put(Tombstone(f"link{number:03}", "x" * 100)) for number in range(COUNT)))
    store.close()
    return path


def overwrite(path: Path, at: int, data: bytes) -> None:
    """Write ``data`` into a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def bad_record(path: Path) -> None:
    """Leave a record that no pynet can read."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("""UPDATE record SET body = '{"link": 7}' WHERE key = 'link007'""")


def foreign_setting(path: Path) -> None:
    """Leave a record that would write another file than a setting of pynet's."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        body = '{"path": "../../etc/x", "before": "1"}'
        connection.execute("INSERT INTO record VALUES ('setting', '../../etc/x', 7, ?)", (body,))


DAMAGES: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "header": (lambda path: overwrite(path, 0, b"\xff" * 100), "not a database", COUNT),
    "first page": (lambda path: overwrite(path, 0, b"\xff" * PAGE), "not a database", COUNT),
    "page": (lambda path: overwrite(path, 7 * PAGE, b"\xff" * PAGE), "", COUNT - 40),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[: 6 * PAGE + 9]), "", 50),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty", 0),
    "noise": (lambda path: path.write_bytes(b"not a database" * 1000), "not a database", 0),
    "record": (bad_record, "1 of its records cannot be read, the first is tombstone 'link007'", COUNT - 1),
    "path": (foreign_setting, "1 of its records cannot be read, the first is setting '../../etc/x'", COUNT),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_set_aside_and_what_can_be_read_is_kept(path: Path, name: str) -> None:
    """One line names the damage and both files; the old one is unchanged, the new one is whole and takes writes."""
    damage, words, kept = DAMAGES[name]
    damage(path)
    before = path.read_bytes()
    with capture_logs() as lines:
        store = open_store(path, KINDS, nothing)

    [line] = lines
    assert words in line["damage"]
    assert Path(line["set_aside"]).read_bytes() == before
    assert (line["log_level"], line["store"], line["kept"]) == ("error", str(path), len(store.list(Tombstone)))
    assert len(store.list(Tombstone)) >= kept
    store.transact(Put(Tombstone("new"), ABSENT))
    store.close()
    assert find_damage(path, KINDS) == ""


def crashed(path: Path, folder: Path) -> Path:
    """Return a copy of a database as a crash leaves it: three commits stand in the log alone."""
    store = SqliteStore(path)
    for number in range(3):
        store.transact(Put(Tombstone(f"late{number}")))
    folder.mkdir()
    for name in (path.name, path.name + "-wal"):
        shutil.copy(path.with_name(name), folder / name)
    store.close()
    return folder / path.name


@pytest.mark.parametrize(("at", "words"), [(0, "header of its write-ahead log"), (40, "before 3 commits")])
def test_a_damaged_log_is_found(path: Path, tmp_path: Path, at: int, words: str) -> None:
    """A damaged log is recognised, although SQLite silently drops acknowledged commits behind the first bad frame."""
    copy = crashed(path, tmp_path / "crashed")
    overwrite(copy.with_name("pynet.db-wal"), at, b"\xff" * 4)
    with capture_logs() as lines:
        store = open_store(copy, KINDS, lambda _: [Tombstone("late0")])

    assert words in lines[0]["damage"]
    assert Path(lines[0]["set_aside"] + "-wal").exists()
    assert len(store.list(Tombstone)) == COUNT + 1
    store.close()


@pytest.mark.parametrize("cut", [1, PAGE + 24 + 1])
def test_a_torn_end_of_the_log_is_no_damage(path: Path, tmp_path: Path, cut: int) -> None:
    """A log that ends in half a frame or half a commit is no damage: a crash leaves that, and nobody was told of it."""
    copy = crashed(path, tmp_path / "crashed")
    log = copy.with_name("pynet.db-wal")
    log.write_bytes(log.read_bytes()[:-cut])

    assert find_damage(copy, KINDS) == ""


def test_records_of_an_unknown_kind_are_kept(path: Path) -> None:
    """A later pynet of the same version of the file may have written them."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO record VALUES ('novelty', 'a', 1, 'x')")
    bad_record(path)
    open_store(path, KINDS, nothing).close()

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM record WHERE kind = 'novelty'").fetchall() == [
            ("novelty", "a", 1, "x")
        ]


def test_a_missing_file_is_made_from_the_kernel(tmp_path: Path) -> None:
    """If the file was deleted, running networks are rebuilt from the kernel; a first start logs nothing."""
    with capture_logs() as lines:
        store = open_store(tmp_path / "a" / "pynet.db", KINDS, lambda _: [Network("a1", "bridge", "pn-a1")])
        open_store(tmp_path / "b" / "pynet.db", KINDS, nothing).close()

    assert [item.record.id for item in store.list(Network)] == ["a1"]
    assert [line["event"] for line in lines] == ["store missing, rebuilt from the kernel"]
    store.close()


def test_revisions_go_on(path: Path) -> None:
    """The search for the next address begins behind the last lease, which the revisions tell."""
    bad_record(path)
    store = open_store(path, KINDS, nothing)
    store.transact(Put(Tombstone("next")))

    assert [item.revision for item in store.list(Tombstone, "next")] == [2]
    assert store.list(Lease) == []
    store.close()


def test_a_file_of_a_newer_pynet_is_not_damaged(path: Path) -> None:
    """It is refused with a sentence, and stays where it is."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    with pytest.raises(Failed, match="a newer pynet wrote it"):
        open_store(path, KINDS, nothing)
    assert [file.name for file in path.parent.iterdir()] == ["pynet.db"]


def test_a_replacement_that_was_interrupted_is_ended(path: Path) -> None:
    """A crash between setting aside and renaming leaves a whole database under another name; the next start uses it."""
    write_ready(path, ())
    assert path.with_name(path.name + READY).exists()
    open_store(path, KINDS, nothing).close()

    names = sorted(file.name.partition("-")[0] for file in path.parent.iterdir())
    assert names == ["pynet.db", "pynet.db.replaced"]


def test_records_that_the_check_has_read_are_not_read_again(path: Path) -> None:
    """The first listing of such a kind is what the check of the file has decoded; later ones read the file."""
    store = open_store(path, KINDS, nothing, soon=(Tombstone,))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DELETE FROM record")

    assert [len(store.list(Tombstone)), len(store.list(Tombstone))] == [COUNT, 0]
    store.close()


def test_a_write_before_the_first_listing_is_in_it(path: Path) -> None:
    """What the check has decoded is forgotten when a record of that kind is written."""
    store = open_store(path, KINDS, nothing, soon=(Tombstone,))
    store.transact(Put(Tombstone("new")))

    assert len(store.list(Tombstone)) == COUNT + 1
    store.close()
