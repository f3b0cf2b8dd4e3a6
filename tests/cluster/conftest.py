"""Fixtures of the cluster ring: real servers, started once, and stores with a folder of their own in them."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from plugin.store.base import ClusterStore
from plugin.store.remote.address import Access, parse_store_address
from plugin.store.remote.open import open_cluster_store
from tests.cluster.servers import Etcd

Opener = Callable[[], ClusterStore]
STORES = ["etcd"]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Return a function that starts a kind of server when it is first wanted, and returns its URL."""
    running: dict[str, Etcd] = {}
    with ExitStack() as stack:

        def url(kind: str) -> str:
            if kind not in running:
                running[kind] = _made(kind, tmp_path_factory.mktemp(kind))
                stack.callback(running[kind].kill)
                running[kind].start()
            return running[kind].url

        yield url


def _made(_kind: str, folder: Path) -> Etcd:
    return Etcd(folder)


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest, servers: Callable[[str], str]) -> Iterator[Opener]:
    """Return a function that opens one store as often as there are hosts."""
    address = parse_store_address(f"{servers(request.param)}/test-{secrets.token_hex(6)}")
    with ExitStack() as stack:

        def opened() -> ClusterStore:
            store = open_cluster_store(address, Access())
            stack.callback(store.close)
            return store

        yield opened


@pytest.fixture
def store(opener: Opener) -> ClusterStore:
    """Return an empty store."""
    return opener()
