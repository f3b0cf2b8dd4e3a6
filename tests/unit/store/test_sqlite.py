"""What only the file store does: durability, versions, modes of files, sentences for SQLite's errors."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from plugin.errors import Busy, Failed, PynetError
from plugin.model.records import Tombstone
from plugin.store.base import ABSENT, Put, StoreConflict
from plugin.store.sqlite.connections import LOG_SIZE
from plugin.store.sqlite.schema import MIGRATIONS, sqlite_errors
from plugin.store.sqlite.store import SqliteStore

WRITER = """
import sys, threading
from pathlib import Path
from plugin.model.records import Tombstone
from plugin.store.base import Put
from plugin.store.sqlite.store import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
for number in range(20):
    store.transact(Put(Tombstone(f"link{number}")))
print("done", flush=True)
threading.Event().wait()
"""


def test_a_killed_process_leaves_what_it_acknowledged(tmp_path: Path) -> None:
    """Every transaction that returned is there after SIGKILL, and the revisions go on from there."""
    path = tmp_path / "pynet.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "done\n"
        child.send_signal(signal.SIGKILL)
    store = SqliteStore(path)
    store.transact(Put(Tombstone("next"), ABSENT))
    assert len(store.list(Tombstone, "link")) == 20
    assert [found.revision for found in store.list(Tombstone, "next")] == [21]
    store.close()


def test_files_are_for_root_only(tmp_path: Path) -> None:
    """The folder is 0700 and every file in it 0600, also one that was made with a looser mode."""
    path = tmp_path / "state" / "pynet.db"
    SqliteStore(path).close()
    path.chmod(0o644)
    store = SqliteStore(path)
    store.transact(Put(Tombstone("a")))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    store.close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == {"pynet.db": 0o600, "pynet.db-wal": 0o600, "pynet.db-shm": 0o600}


def test_commits_are_flushed(tmp_path: Path) -> None:
    """The writer runs with WAL and synchronous FULL (2): a commit survives the loss of power."""
    store = SqliteStore(tmp_path / "pynet.db")
    assert store._connections.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._connections.writer.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()


def test_writers_that_wait_share_a_commit(tmp_path: Path) -> None:
    """Transactions that queue up behind a busy writer are committed at once, and one conflict spares the others."""
    store = SqliteStore(tmp_path / "pynet.db")
    failed: list[StoreConflict] = []

    def write(number: int) -> None:
        try:
            store.transact(Put(Tombstone(str(number % 8)), ABSENT))
        except StoreConflict as error:
            failed.append(error)

    commits: list[str] = []
    store._connections.writer.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
    with store._connections.writing:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(9)]
        for thread in threads:
            thread.start()
        while len(store._queue) < 9:
            threads[0].join(0.001)
    for thread in threads:
        thread.join()
    assert (len(store.list(Tombstone)), len(failed), len(commits)) == (8, 1, 1)
    store.close()


def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    """While a commit is under way, a reader sees the state before it."""
    store = SqliteStore(tmp_path / "pynet.db")
    store.transact(Put(Tombstone("a")))
    with store._connections.writing:
        store._connections.writer.execute("BEGIN IMMEDIATE")
        store._connections.writer.execute("DELETE FROM record")
        assert store.get(Tombstone, "a") is not None
        store._connections.writer.execute("ROLLBACK")
    store.close()


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A file of a later version is left alone, and the sentence says what to do."""
    path = tmp_path / "pynet.db"
    SqliteStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(Failed, match=r"open store '.*pynet\.db': a newer pynet wrote it"):
        SqliteStore(path)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """A file that is no database is named, with the cause, and not overwritten."""
    path = tmp_path / "pynet.db"
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(Failed, match=r"pynet\.db': the file is not a database of pynet"):
        SqliteStore(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_file_that_is_refused_is_not_kept_open(tmp_path: Path) -> None:
    """Whoever catches the error can move the file away; Python 3.13 warns of the connection that nobody closed."""
    path = tmp_path / "pynet.db"
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(Failed) as caught:
        SqliteStore(path)
    opened = {os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()}
    assert str(path) not in opened, caught.value


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """An obstacle in the path is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match=r"make store '.*/file/pynet\.db': (not a directory|file exists)"):
        SqliteStore(tmp_path / "file" / "pynet.db")


def test_a_full_disk_is_said_and_leaves_the_store_usable(tmp_path: Path) -> None:
    """When a commit does not fit, nothing of it stays, and the next one that fits is taken."""
    store = SqliteStore(tmp_path / "pynet.db")
    pages = store._connections.writer.execute("PRAGMA page_count").fetchone()[0]
    store._connections.writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Failed, match=r"write store '.*pynet\.db': the disk is full"):
        store.transact(Put(Tombstone("small")), Put(Tombstone("a", "x" * 100_000)))
    assert store.get(Tombstone, "small") is None
    store.transact(Put(Tombstone("small")))
    store.close()


def test_writers_of_one_commit_that_fails_have_errors_of_their_own(tmp_path: Path) -> None:
    """What one of them notes on its error, as what it could not take back, is not on that of another."""
    store = SqliteStore(tmp_path / "pynet.db")
    pages = store._connections.writer.execute("PRAGMA page_count").fetchone()[0]
    store._connections.writer.execute(f"PRAGMA max_page_count = {pages}")
    failed: list[Failed] = []

    def write(name: str) -> None:
        with pytest.raises(Failed, match="the disk is full") as caught:
            store.transact(Put(Tombstone(name, "x" * 100_000)))
        caught.value.add_note(name)
        failed.append(caught.value)

    with store._connections.writing:
        threads = [threading.Thread(target=write, args=[name]) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        while len(store._queue) < 2:
            threads[0].join(0.001)
    for thread in threads:
        thread.join()
    assert sorted(error.__notes__ for error in failed) == [["a"], ["b"]]
    assert all(isinstance(error.__cause__, sqlite3.Error) for error in failed)
    store.close()


def _locked(connection: sqlite3.Connection, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        connection.execute("BEGIN IMMEDIATE")
    finally:
        other.close()


def _read_only(connection: sqlite3.Connection, _: Path) -> None:
    connection.execute("PRAGMA query_only = 1")
    connection.execute("CREATE TABLE t (a)")


def _damaged(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("CREATE TABLE t (a)")
    connection.execute("PRAGMA cache_size = 0")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    connection.execute("SELECT * FROM t").fetchall()


@pytest.mark.parametrize(
    ("provoke", "kind", "sentence"),
    [
        (_locked, Busy, "another process keeps it locked"),
        (_read_only, Failed, "the file or its folder is read-only"),
        (_damaged, Failed, "the file is damaged"),
        (lambda connection, _: connection.close() or connection.execute("SELECT 1"), Failed, "closed database"),
        (lambda connection, _: connection.execute("SELECT * FROM nowhere"), Failed, "no such table: nowhere"),
    ],
)
def test_errors_of_sqlite_become_sentences(
    tmp_path: Path, provoke: Callable[[sqlite3.Connection, Path], object], kind: type[PynetError], sentence: str
) -> None:
    """Real errors of SQLite come out as pynet's kinds, naming what was tried, the file and the cause."""
    path = tmp_path / "x.db"
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    with pytest.raises(kind, match=rf"try store '.*x\.db': .*{sentence}"), sqlite_errors("try", path):
        provoke(connection, path)
    connection.close()


def test_the_log_shrinks_when_a_reader_that_kept_it_has_gone(tmp_path: Path) -> None:
    """A backup by somebody else's tool makes it grow without end; afterwards it is what it was."""
    path = tmp_path / "pynet.db"
    store, log = SqliteStore(path), path.with_name("pynet.db-wal")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM record").fetchone()
    while log.stat().st_size <= LOG_SIZE:
        store.transact(Put(Tombstone("a", "x" * 1_000_000)))
    reader.close()
    for _ in range(3):
        store.transact(Put(Tombstone("b", "x" * 10_000)))
    assert log.stat().st_size <= LOG_SIZE
    store.close()


def test_a_record_that_is_read_again_is_not_decoded_again(tmp_path: Path) -> None:
    """A verb that reads a record several times gets the same one, until somebody writes it."""
    with closing(SqliteStore(tmp_path / "pynet.db")) as store:
        store.transact(Put(Tombstone("link", "one")))
        first, again = store.get(Tombstone, "link"), store.get(Tombstone, "link")
        assert first is not None
        assert again is not None
        assert first.record is again.record
        store.transact(Put(Tombstone("link", "two")))
        latest = store.get(Tombstone, "link")

        assert latest is not None
        assert latest.record.owner == "two"
