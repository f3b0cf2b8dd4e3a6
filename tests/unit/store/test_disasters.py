"""Trouble with the files of an open store: calls fail with a sentence while it lasts, and nothing is lost."""

import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from plugin.errors import Failed
from plugin.model.records import Tombstone
from plugin.store.base import Put
from plugin.store.sqlite.store import SqliteStore, read_records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store stands."""
    return tmp_path / "state" / "pynet.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store that knows "before"."""
    store = SqliteStore(path)
    store.transact(Put(Tombstone("before")))
    yield store
    store.close()


def replace(path: Path) -> None:
    """Let another database take the place, as a careless copy does."""
    other = SqliteStore(path.with_name("other.db"))
    other.transact(Put(Tombstone("foreign")))
    other.close()
    path.with_name("other.db").rename(path)


def delete(path: Path) -> None:
    """Remove every file of the database."""
    for file in path.parent.glob("pynet.db*"):
        file.unlink()


def empty(path: Path) -> None:
    """Leave an empty file where the database was."""
    path.unlink()
    path.touch()


DISASTERS: dict[str, Callable[[Path], object]] = {
    "deleted": delete,
    "database deleted": Path.unlink,
    "log deleted": lambda path: path.with_name("pynet.db-wal").unlink(),
    "replaced": replace,
    "empty file": empty,
    "folder deleted": lambda path: shutil.rmtree(path.parent),
    "folder renamed": lambda path: path.parent.rename(path.parent.with_name("away")),
}


@pytest.mark.parametrize("name", DISASTERS)
@pytest.mark.parametrize("first", ["write", "read"])
def test_the_store_returns_to_its_place(store: SqliteStore, path: Path, name: str, first: str) -> None:
    """The next call of any kind writes all records to the path again; a kill after it loses nothing."""
    DISASTERS[name](path)
    with capture_logs() as lines:
        assert first == "write" or [item.record.link for item in store.list(Tombstone)] == ["before"]
        store.transact(Put(Tombstone("after")))

    assert [record.link for record in read_records(path, Tombstone)] == ["after", "before"]
    assert [line["store"] for line in lines] == [str(path)]
    store.transact(Put(Tombstone("later")))
    assert len(store.list(Tombstone)) == 3
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_what_took_the_place_is_set_aside(store: SqliteStore, path: Path) -> None:
    """Nobody's file is deleted, and the log line names where it is."""
    replace(path)
    with capture_logs() as lines:
        store.transact(Put(Tombstone("after")))

    assert [record.link for record in read_records(Path(lines[0]["set_aside"]), Tombstone)] == ["foreign"]


def test_a_place_that_is_not_to_be_had_is_a_sentence(store: SqliteStore, path: Path) -> None:
    """While a file is in the place of the folder, calls fail; afterwards the next call writes everything."""
    path.parent.rename(path.parent.with_name("away"))
    path.parent.touch()
    for call in (lambda: store.transact(Put(Tombstone("lost"))), lambda: store.list(Tombstone)):
        with pytest.raises(Failed, match=r"make store '.*pynet\.db': file exists"):
            call()
    path.parent.unlink()
    store.transact(Put(Tombstone("after")))

    assert [record.link for record in read_records(path, Tombstone)] == ["after", "before"]


def test_an_error_of_the_disk_is_a_sentence(store: SqliteStore) -> None:
    """A write that the system refuses fails the call and nothing else; the next one succeeds."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(Failed, match=r"write store '.*pynet\.db': the (disk|file)"):
            store.transact(Put(Tombstone("lost", "x" * 10_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    store.transact(Put(Tombstone("after")))

    assert [item.record.link for item in store.list(Tombstone)] == ["after", "before"]


def test_a_deleted_file_is_no_reason_to_make_an_empty_one(path: Path) -> None:
    """A new reader of a store whose file has gone must not find an empty database in its place."""
    store = SqliteStore(path)
    path.unlink()
    assert store.list(Tombstone) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    store.close()
