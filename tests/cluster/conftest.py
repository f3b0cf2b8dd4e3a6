"""Fixtures of the cluster ring: real servers, started once, and stores with a folder of their own in them."""

import secrets
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack

import pytest

from plugin.store.base import ClusterStore
from plugin.store.remote.address import Access, StoreAddress
from plugin.store.remote.factory import open_cluster_store, parse_store_address
from tests.cluster.servers import KINDS, StoreServer, make_server
from tests.engine.lab.suites import Unavailable


def _skipping() -> Generator[None, None, None]:
    """Skip a test whose server is not to be had on this machine, as engines are; the reason is shown at the end."""
    try:
        yield
    except Unavailable as why:
        pytest.skip(f"NOT TESTED: {why}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    """See above; most servers are started by fixtures."""
    return (yield from _skipping())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """See above."""
    return (yield from _skipping())


class Opener:
    """Opens the store of a test, once for each host that the test imagines."""

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self._opened: list[ClusterStore] = []

    def __call__(self) -> ClusterStore:
        """Return one more connection to it."""
        self._opened.append(open_cluster_store(self.address, Access()))
        return self._opened[-1]

    def close(self) -> None:
        """Close them all."""
        for store in self._opened:
            store.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Return a function that starts a kind of server when it is first wanted, and returns its URL."""
    running: dict[str, StoreServer] = {}
    with ExitStack() as stack:

        def url(kind: str) -> str:
            if kind not in running:
                running[kind] = make_server(kind, tmp_path_factory.mktemp(kind))
                stack.callback(running[kind].kill)
                running[kind].start()
            return running[kind].url

        yield url


@pytest.fixture(params=KINDS)
def opener(request: pytest.FixtureRequest, servers: Callable[[str], str]) -> Iterator[Opener]:
    """Return a function that opens an empty store."""
    opener = Opener(parse_store_address(f"{servers(request.param)}/test-{secrets.token_hex(6)}"))
    yield opener
    opener.close()


@pytest.fixture
def store(opener: Opener) -> ClusterStore:
    """Return an empty store."""
    return opener()
