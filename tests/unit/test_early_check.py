"""The check of a large store in a copy of the process, while the program loads."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.server.early_check import LARGE, early_check
from cli.server.records import KINDS
from plugin.model.records import Tombstone
from plugin.store.base import Put, Record
from plugin.store.sqlite.opening import open_store
from plugin.store.sqlite.store import SqliteStore


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A store above the limit."""
    store = SqliteStore(tmp_path / "pynet.db")
    store.transact(*(Put(Tombstone(f"link{number}", "o" * 1000)) for number in range(LARGE // 1000)))
    store.close()
    return tmp_path / "pynet.db"


def nothing(_: Sequence[Record]) -> Sequence[Record]:
    """Derive no records from the kernel."""
    return ()


def test_a_large_store_is_checked_early(large: Path) -> None:
    """The records are read although the check kept none; on one core, and for a small store, nothing is begun."""
    with early_check(large, cores=2) as check:
        assert check is not None
        store = open_store(large, KINDS, nothing, (Tombstone,), check)
    assert len(store.list(Tombstone)) == LARGE // 1000
    assert [*large.parent.glob("*damaged*")] == []
    store.close()
    with early_check(large.with_name("none"), cores=2) as check:
        assert check is None
    with early_check(large, cores=1) as check:
        assert check is None


def test_damage_that_the_copy_found_is_repaired(large: Path) -> None:
    """The store is set aside and made anew, as without the early check."""
    with large.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)
    with early_check(large, cores=2) as check:
        store = open_store(large, KINDS, nothing, (Tombstone,), check)
    assert [*large.parent.glob("pynet.db.damaged-*")] != []
    store.close()


def test_a_file_that_took_the_place_of_the_checked_one_is_checked_again(large: Path) -> None:
    """A crash may have interrupted the replacement of a store; then what was found is about the former one."""
    large.with_name("pynet.db.ready").write_bytes(large.read_bytes())
    store = open_store(large, KINDS, nothing, (), lambda: "damage of the former file")
    assert len(store.list(Tombstone)) == LARGE // 1000
    assert [*large.parent.glob("*damaged*")] == []
    store.close()
