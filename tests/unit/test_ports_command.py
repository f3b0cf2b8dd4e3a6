"""``pynet ports``, on a store that another process would have open."""

from ipaddress import IPv4Interface, ip_address
from pathlib import Path

import pytest

from cli.ports import as_table, published
from plugin.errors import Failed
from plugin.model import Endpoint, Published
from plugin.store.base import Put
from plugin.store.sqlite import SqliteStore

HOSTED = Published(6, 80, ip_address("10.9.0.2"), ip_address("::"), 8080)
ROUTED = Published(17, 53, ip_address("10.9.0.2"))


def test_names_are_shown_where_the_engine_knows_them(tmp_path: Path) -> None:
    """The table has one line a published port; a routed one has no host port."""
    store = SqliteStore(tmp_path / "pynet.db")
    endpoint = Endpoint(
        "e" * 64, "a" * 64, "02:42:0a:09:00:02", IPv4Interface("10.9.0.2/24"), published=(HOSTED, ROUTED)
    )
    store.transact(Put(endpoint))
    lines = as_table(published(tmp_path / "pynet.db", {"e" * 64: ("web", "site")})).splitlines()
    store.close()

    assert lines[0].split() == ["CONTAINER", "NETWORK", "PROTO", "HOST", "ADDRESS"]
    assert [line.split() for line in lines[1:]] == [
        ["site", "web", "udp", "-", "10.9.0.2:53"],
        ["site", "web", "tcp", "[::]:8080", "10.9.0.2:80"],
    ]


def test_a_missing_store_is_a_sentence(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(Failed, match=f"read store '{tmp_path}/none.db': the file cannot be opened"):
        published(tmp_path / "none.db", {})
