"""The two stores, each empty; one suite holds for both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.store.base import Store
from plugin.store.memory import MemoryStore
from plugin.store.sqlite.store import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Return an empty store."""
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "state" / "pynet.db")
    yield made
    made.close()
