"""Backups are whole, private and never overwrite a file; a restore refuses a bad file with a sentence."""

import os
import re
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.exit_codes import FAILED, NEWER_STATE, NOT_SERVING, TAKEN
from cli.main import main
from cli.server.records import KINDS
from plugin.model.records import Tombstone
from plugin.store.base import Put
from plugin.store.sqlite.backup import copy_state, restore, write_copy
from plugin.store.sqlite.lockfile import lock_state
from plugin.store.sqlite.schema import MIGRATIONS
from plugin.store.sqlite.store import SqliteStore, read_records


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The path of a closed store with one record."""
    path = tmp_path / "state" / "pynet.db"
    made = SqliteStore(path)
    made.transact(Put(Tombstone("before")))
    made.close()
    return path


def pynet(store: Path, *words: str | Path) -> Result:
    """Run the command with the state folder of ``store``."""
    return CliRunner().invoke(main, [str(word) for word in words], env={"PYNET_STATE_DIR": str(store.parent)})


def back_up(store: Path, target: Path) -> None:
    """Copy the store into a file, as ``pynet backup`` does in two processes."""
    write_copy(copy_state(store).database, target)


def test_a_backup_is_of_one_moment_while_the_store_is_written(store: Path, tmp_path: Path) -> None:
    """A backup of a store in use has both or neither of two records written together; it is one file, 0600."""
    opened, stop = SqliteStore(store), threading.Event()

    def write() -> None:
        for number in range(2000):
            opened.transact(Put(Tombstone(f"a{number}")), Put(Tombstone(f"b{number}")))
            if stop.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    copies = [tmp_path / f"copy{number}" for number in range(5)]
    for copy in copies:
        back_up(store, copy)
    stop.set()
    writer.join()
    opened.close()
    assert all(len(read_records(copy, Tombstone)) % 2 == 1 for copy in copies)
    assert stat.S_IMODE(copies[0].stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == [*(copy.name for copy in copies), "state"]


def test_there_and_back_again(store: Path, tmp_path: Path) -> None:
    """A restore sets the present state aside, and both commands say what they did."""
    saved = pynet(store, "backup", tmp_path / "copy")
    later = SqliteStore(store)
    later.transact(Put(Tombstone("later")))
    later.close()
    back = pynet(store, "restore", tmp_path / "copy")

    assert (saved.exit_code, back.exit_code) == (0, 0)
    assert saved.stdout == f"backup '{tmp_path}/copy' written: 0 networks, 0 endpoints, 0 pools, 0 leases\n"
    assert [record.link for record in read_records(store, Tombstone)] == ["before"]
    [aside] = store.parent.glob("pynet.db.replaced-*")
    assert f"the store that was there is '{aside}'" in back.output
    assert len(read_records(aside, Tombstone)) == 2


def test_restoring_needs_no_store(store: Path, tmp_path: Path) -> None:
    """A new machine has none."""
    back_up(store, tmp_path / "copy")
    done = restore(tmp_path / "copy", tmp_path / "new" / "pynet.db", KINDS)

    assert (done.counts, done.set_aside) == ({"tombstone": 1}, None)
    assert len(read_records(tmp_path / "new" / "pynet.db", Tombstone)) == 1


def newer(path: Path) -> None:
    """Mark a database as a later version's."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def foreign(path: Path) -> None:
    """Leave a database of another program."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE song (title)")


def half(path: Path) -> None:
    """Cut a file."""
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("spoil", "code", "sentence"),
    [
        (Path.unlink, FAILED, r"read backup '.*copy': no such file or directory"),
        (half, FAILED, r"restore '.*copy': it is damaged \(.*\); nothing was changed"),
        (
            newer,
            NEWER_STATE,
            r"restore '.*copy': a newer pynet wrote it \(version 2, this one reads up to 1\); nothing was changed",
        ),
        (foreign, FAILED, r"restore '.*copy': it is not a backup of pynet; nothing was changed"),
    ],
)
def test_what_cannot_be_restored_changes_nothing(
    store: Path, tmp_path: Path, spoil: Callable[[Path], object], code: int, sentence: str
) -> None:
    """An exit code, a sentence, and the files as they were."""
    back_up(store, tmp_path / "copy")
    before = store.read_bytes()
    spoil(tmp_path / "copy")
    result = pynet(store, "restore", tmp_path / "copy")

    assert result.exit_code == code
    assert re.match(f"Error: {sentence}\n", result.output)
    assert store.read_bytes() == before
    assert {file.name for file in store.parent.iterdir()} <= {"pynet.db", "lock"}


HOSTILE = [
    ("setting", "../../etc/passwd", '{"path": "../../etc/passwd", "before": "x"}'),
    ("setting", "net/ipv4/conf/../../../etc/x", '{"path": "net/ipv4/conf/../../../etc/x", "before": "1"}'),
    ("setting", "kernel/core_pattern", '{"path": "kernel/core_pattern", "before": "1"}'),
    ("setting", "net/ipv4/ip_forward", '{"path": "net/ipv4/ip_forward", "before": "0 #"}'),
    ("network", "a1", '{"id": "a1", "mode": "bridge", "link": "x\\nadd table ip y"}'),
    ("network", "a1", '{"id": "a1", "mode": "bridge", "link": "pn-a1", "mac": "zz; drop"}'),
    ("network", "../x", '{"id": "../x", "mode": "bridge", "link": "pn-a1"}'),
    ("endpoint", "a1/e0", '{"id": "e0", "network_id": "a1", "mac": "02:00:00:00:00:01 }"}'),
    ("endpoint", "a1/e0", '{"id": "e0", "network_id": "a1", "mac": "", "ipv6": "fe80::1%x } y/64"}'),
    ("tombstone", "../x", '{"link": "../x"}'),
]


@pytest.mark.parametrize(("kind", "key", "body"), HOSTILE)
def test_a_hostile_record_is_refused(store: Path, tmp_path: Path, kind: str, key: str, body: str) -> None:
    """A hostile record would get into rules and files as root: the restore names it and changes nothing."""
    back_up(store, tmp_path / "copy")
    before = store.read_bytes()
    with closing(sqlite3.connect(tmp_path / "copy")) as made, made:
        made.execute("INSERT INTO record VALUES (?, ?, 7, ?)", (kind, key, body))
    result = pynet(store, "restore", tmp_path / "copy")

    assert (result.exit_code, store.read_bytes() == before) == (FAILED, True)
    assert f"1 of its records cannot be read, the first is {kind} '{key}'); nothing was changed" in result.output
    assert {file.name for file in store.parent.iterdir()} <= {"pynet.db", "lock"}


def test_a_backup_brings_records_and_nothing_else(store: Path, tmp_path: Path) -> None:
    """A restore copies records only: triggers, views and foreign tables of the file stay behind."""
    back_up(store, tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy")) as made, made:
        made.execute("CREATE TABLE more (text)")
        made.execute("CREATE TRIGGER t AFTER INSERT ON record BEGIN UPDATE record SET body = ''; END")
        made.execute("CREATE VIEW seen AS SELECT * FROM record")
    assert pynet(store, "restore", tmp_path / "copy").exit_code == 0

    with closing(sqlite3.connect(store)) as restored:
        assert {name for (name,) in restored.execute("SELECT name FROM sqlite_master")} == {"record", "counter"}
    assert [record.link for record in read_records(store, Tombstone)] == ["before"]


def test_restoring_under_a_running_pynet_is_refused(store: Path, tmp_path: Path) -> None:
    """A restore under a running pynet is refused with the process id, as that process would keep the old state."""
    back_up(store, tmp_path / "copy")
    lock = lock_state(store.parent)
    result = pynet(store, "restore", tmp_path / "copy")
    lock.release()

    assert result.exit_code == TAKEN
    assert f"restore '{tmp_path}/copy': stop pynet first" in result.output
    assert f"process {os.getpid()})" in result.output


def test_a_backup_overwrites_nothing(store: Path, tmp_path: Path) -> None:
    """A backup overwrites no file, and a failed backup leaves nothing."""
    (tmp_path / "copy").write_text("precious")
    result = pynet(store, "backup", tmp_path / "copy")

    assert (result.exit_code, (tmp_path / "copy").read_text()) == (TAKEN, "precious")
    assert f"Error: write backup '{tmp_path}/copy': there is a file of that name already\n" in result.stderr
    result = pynet(tmp_path / "none" / "pynet.db", "backup", tmp_path / "other")
    assert (result.exit_code, (tmp_path / "other").exists()) == (NOT_SERVING, False)
    assert f"there is no state in '{tmp_path}/none'" in result.stderr
