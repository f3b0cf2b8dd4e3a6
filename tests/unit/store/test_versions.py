"""Every version of the file that was ever released opens, and holds the records that it held.

``versions/N.sql`` is the dump of a database of version N. A new version gets a file of its own and the old ones stay:
``python -m tests.unit.store.test_versions`` prints one of the present version.
"""

import importlib
import inspect
import pkgutil
import sqlite3
from contextlib import closing
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import plugin
from cli.server.records import KINDS, SHARED_KINDS
from plugin.ipam.generation import PoolGeneration
from plugin.model.records import ChangedSetting, Endpoint, Lease, Network, NetworkSubnet, Pool, Published, Tombstone
from plugin.store.base import Put, Record
from plugin.store.sqlite.opening import open_store
from plugin.store.sqlite.schema import MIGRATIONS
from plugin.store.sqlite.store import SqliteStore

VERSIONS = sorted((Path(__file__).parent / "versions").glob("*.sql"))
RECORDS: tuple[Record, ...] = (
    Network(
        id="a1" * 32,
        mode="bridge",
        link="lan0",
        owns_link=False,
        internal=True,
        subnets=(
            NetworkSubnet(IPv4Network("10.9.0.0/24"), None, {"DefaultGatewayIPv4": IPv4Interface("10.9.0.9/24")}),
            NetworkSubnet(IPv6Network("fd00:9::/64"), IPv6Interface("fd00:9::1/64")),
        ),
        options={"com.docker.network.bridge.name": "lan0"},
        found=(IPv6Interface("fd00:9::1/64"),),
        mac="02:00:00:00:00:07",
    ),
    Endpoint(
        id="e0" * 32,
        network_id="a1" * 32,
        mac="02:42:0a:09:00:02",
        ipv4=IPv4Interface("10.9.0.2/24"),
        ipv6=IPv6Interface("fd00:9::2/64"),
        driver_opts={"key": "value"},
        published=(
            Published(6, 80, IPv4Address("10.9.0.2"), IPv4Address("0.0.0.0"), 8080),
            Published(17, 53, IPv6Address("fd00:9::2")),
        ),
    ),
    Tombstone("pnhdead", "e1" * 32),
    Pool("pynet-local/10.9.0.0/24/10.9.0.128/25", IPv4Network("10.9.0.0/24"), IPv4Network("10.9.0.128/25")),
    Lease("pynet-local/10.9.0.0/24/10.9.0.128/25", IPv4Address("10.9.0.129"), "gateway", "router"),
    PoolGeneration(4, 3, IPv4Network("10.200.0.0/24")),
    ChangedSetting("net/ipv4/ip_forward", "0"),
)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.stem)
def test_a_file_of_every_version_opens_with_its_records(version: Path, tmp_path: Path) -> None:
    """Nothing is lost and nothing is called damaged, and the file is of the present version afterwards."""
    path = tmp_path / "pynet.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(version.read_text())
    store = open_store(path, KINDS, lambda _: ())

    assert [item.record for kind in KINDS for item in store.list(kind)] == list(RECORDS)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert len(list(tmp_path.iterdir())) == 1


def test_every_version_is_kept() -> None:
    """A migration without a file of the version before it would be tested by nobody."""
    assert [path.stem for path in VERSIONS] == [str(number + 1) for number in range(len(MIGRATIONS))]


def test_every_kind_of_record_is_checked_at_start() -> None:
    """A kind that nobody listed would be kept unread, and stop pynet later when it is damaged."""
    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(plugin.__path__, "plugin.")]
    classes = [member for module in modules for member in vars(module).values() if inspect.isclass(member)]
    kinds = {found for found in classes if isinstance(vars(found).get("kind"), str)}

    assert kinds == set(KINDS) | set(SHARED_KINDS)


def test_every_kind_of_record_has_a_name_of_its_own() -> None:
    """Records of two kinds with one name would be read as each other, and the store be called damaged."""
    every: tuple[type[Record], ...] = (*KINDS, *SHARED_KINDS)
    names = [kind.kind for kind in every]

    assert sorted(names) == sorted(set(names))


def main() -> None:
    """Print a database of the present version as SQL."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pynet.db"
        store = SqliteStore(path)
        store.transact(*map(Put, RECORDS))
        store.close()
        with closing(sqlite3.connect(path)) as connection:
            print("\n".join([*connection.iterdump(), f"PRAGMA user_version = {len(MIGRATIONS)};"]))


if __name__ == "__main__":
    main()
