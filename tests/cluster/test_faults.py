"""Failures of a cluster store as hosts see them, on real servers that are killed, stopped and restarted."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import pytest

from plugin.cluster.hosts.records import ClusterHost
from plugin.model.records import Tombstone
from plugin.store.base import Change, ClusterStore, Event, Put, Remove, StoreAway
from plugin.store.remote.address import Access
from plugin.store.remote.etcd.store import EtcdStore
from plugin.store.remote.etcd.watch import EtcdWatcher, Scope
from plugin.store.remote.factory import open_cluster_store, parse_store_address
from plugin.store.remote.subscriptions import KnownRevisions, Subscription
from tests.cluster.conftest import Opener
from tests.cluster.servers import KINDS, Etcd, Server, StoreServer, make_server
from tests.engine.lab.process import wait_until

pytestmark = pytest.mark.cluster


S = TypeVar("S", bound=StoreServer)


@contextmanager
def running(server: S) -> Iterator[S]:
    """Start a server, and end it however the block ends."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreServer]:
    """Return a server of the test's own."""
    with running(make_server(request.param, tmp_path)) as server:
        yield server


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Etcd]:
    """Return an etcd of one server."""
    with running(Etcd(tmp_path)) as etcd:
        yield etcd


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Etcd]:
    """Return an etcd of three servers."""
    with running(Etcd(tmp_path, 3)) as etcd:
        yield etcd


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Callable[[StoreServer], ClusterStore]:
    """Return a function that opens a store on a server, which is closed after the test."""

    def make(server: StoreServer) -> ClusterStore:
        store = open_cluster_store(parse_store_address(server.url), Access())
        request.addfinalizer(store.close)
        return store

    return make


Opened = Callable[[StoreServer], ClusterStore]


def collect(store: ClusterStore, kind: type[Tombstone] | type[ClusterHost]) -> tuple[list[Event], threading.Event]:
    """Watch in a thread; return the growing list of events, and an event that is set when the watch has begun."""
    seen: list[Event] = []
    begun = threading.Event()

    def grow() -> None:
        with store.watch(kind) as events:
            begun.set()
            for event in events:
                seen.append(event)  # noqa: PERF402 - one by one, as they come

    threading.Thread(target=grow, daemon=True).start()
    assert begun.wait(20)
    return seen, begun


def only(server: StoreServer) -> Server:
    """Return the one process of a server."""
    return server.servers[0]


def test_a_host_vanishes_by_itself_and_comes_back(opener: Opener) -> None:
    """A record that is not renewed expires by the server's clock; others see it come, go and come."""
    one, other = opener(), opener()
    me = ClusterHost(secrets.token_hex(3), "a", ip_address("192.0.2.1"), 1)
    seen, _ = collect(other, ClusterHost)
    for _ in range(3):
        one.announce(me, 2)
    assert [item.record for item in other.list(ClusterHost)] == [me]
    wait_until(lambda: len(seen) == 1, "the host to appear")
    one.close()
    wait_until(lambda: not other.list(ClusterHost), "the host to vanish", 40)
    wait_until(lambda: len(seen) == 2, "the watch to say so", 40)
    third = opener()
    third.announce(me, 2)
    wait_until(lambda: len(seen) == 3, "the host to come back")
    assert [event.record for event in seen] == [me, None, me]


def test_a_restarted_host_takes_its_record_over(opener: Opener) -> None:
    """A pynet that was killed and started again is alive at once, and stays so when the lease of the first one ends."""
    first, second = opener(), opener()
    first.announce(ClusterHost("id", "a", ip_address("192.0.2.1"), 1), 2)
    me = ClusterHost("id", "a", ip_address("192.0.2.1"), 2)
    second.announce(me, 30)
    first.close()
    seen, _ = collect(second, ClusterHost)
    threading.Event().wait(4)
    assert ([item.record for item in second.list(ClusterHost)], seen) == ([me], [])


def test_etcd_tells_the_age_of_a_lease(etcd: Etcd, opened: Opened) -> None:
    """The seconds since the last renewal, by the clock of etcd."""
    store = opened(etcd)
    store.announce(ClusterHost("id", "a", ip_address("192.0.2.1"), 1), 30)
    wait_until(lambda: store.ages(ClusterHost)["id"] >= 2, "the age to grow")
    store.announce(ClusterHost("id", "a", ip_address("192.0.2.1"), 1), 30)
    assert store.ages(ClusterHost)["id"] <= 1


def test_a_store_that_hangs_is_a_sentence(server: StoreServer, opened: Opened) -> None:
    """A server that accepts and does not answer is given up with a sentence, and afterwards all goes on."""
    store = opened(server)
    store.transact(Put(Tombstone("a")))
    process = only(server)
    process.freeze()
    try:
        for _ in range(2):
            with pytest.raises(StoreAway, match=r"store '\w+://127.0.0.1:\d+/pynet': no "):
                store.transact(Put(Tombstone("b")))
    finally:
        process.thaw()
    wait_until(lambda: _answers(store), "the store to answer", 30)
    store.transact(Put(Tombstone("c")))


def _answers(store: ClusterStore) -> bool:
    try:
        store.list(Tombstone)
    except StoreAway:
        return False
    return True


def test_a_watch_goes_on_after_a_restart(server: StoreServer, opened: Opened) -> None:
    """After a restart of the server a watch tells the missed changes once, and then the following ones."""
    store = opened(server)
    store.transact(Put(Tombstone("a")), Put(Tombstone("b")))
    seen, _ = collect(store, Tombstone)
    process = only(server)
    process.kill()
    with pytest.raises(StoreAway):
        store.list(Tombstone)
    server.start()
    other = opened(server)
    wait_until(lambda: _answers(other), "the store to answer", 30)
    other.transact(Remove(Tombstone, "a"), Put(Tombstone("b", "new")), Put(Tombstone("c")))
    wait_until(lambda: len(seen) == 3, "the watch to tell", 30)
    other.transact(Put(Tombstone("d")))
    wait_until(lambda: len(seen) == 4, "the watch to go on")
    told = {event.key: event.record for event in seen}
    assert told == {"a": None, "b": Tombstone("b", "new"), "c": Tombstone("c"), "d": Tombstone("d")}


@pytest.mark.parametrize("steps", [1, 4])
def test_a_watch_behind_a_compaction_tells_the_difference(etcd: Etcd, opened: Opened, steps: int) -> None:
    """A watch behind a compaction lists everything, and tells exactly the removed, new and changed records."""
    store = opened(etcd)
    assert isinstance(store, EtcdStore)
    store.transact(*(Put(Tombstone(key)) for key in "abc"))
    rows, revision = store._client.rows(Tombstone.kind)
    changes: list[Change] = [Put(Tombstone("b", "new")), Put(Tombstone("d")), Remove(Tombstone, "a")]
    for step in range(steps):
        store.transact(*(changes if steps == 1 else changes[step : step + 1]))
    _, last = store._client.rows(Tombstone.kind)
    store._client.ask("compact", "kv/compaction", {"revision": str(last), "physical": True})
    watch = Subscription()
    known = KnownRevisions(Tombstone, {row.key: row.revision for row in rows}, store._aside)
    watcher = EtcdWatcher(store._client, Scope(Tombstone.kind), known, revision, lambda: 0.0)

    def follow() -> None:
        with suppress(StoreAway):  # the server ends with the test
            for _ in range(2):
                watcher.follow(watch)

    threading.Thread(target=follow, daemon=True).start()
    store.transact(Put(Tombstone("e")))
    events = watch.events()
    told = {event.key: event.record for event in (next(events) for _ in range(4))}
    assert told == {"a": None, "b": Tombstone("b", "new"), "d": Tombstone("d"), "e": Tombstone("e")}
    watch.end()


def written(store: ClusterStore, change: Change) -> bool:
    """Write, and return whether that worked."""
    with suppress(StoreAway):
        store.transact(change)
        return True
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_three_servers_dies(kind: str, tmp_path: Path, opened: Opened) -> None:
    """While the leader is killed no write fails and no event is lost, whichever server hosts were talking to.

    Only Consul may be away for longer than a request waits: if its servers vote for different ones, it begins anew.
    """
    patience = 15 if kind == "consul" else 0
    with running(make_server(kind, tmp_path, 3)) as servers:
        stores, watchers = ([opened(servers) for _ in range(3)] for _ in range(2))
        for number, store in enumerate([*stores, *watchers]):
            if isinstance(store, EtcdStore):
                store._client.http._first = number % 3
        seen = [collect(store, Tombstone)[0] for store in watchers]
        for number in range(150):
            if number == 50:
                servers.leader.kill()
            change = Put(Tombstone(str(number)))
            wait_until(partial(written, stores[number % 3], change), "the store to take a record", patience)
        wait_until(lambda: all(len(events) == 150 for events in seen), "all events on all hosts", 30)
        assert [[event.key for event in events] for events in seen] == [[str(number) for number in range(150)]] * 3
        for store in [*stores, *watchers]:
            store.close()


def test_a_majority_that_is_gone_is_a_sentence(three: Etcd, opened: Opened) -> None:
    """One server of three neither reads nor writes; each endpoint's trouble is named, and the watch is given up."""
    store = opened(three)
    store.transact(Put(Tombstone("a")))
    for server in three.servers[:2]:
        server.kill()
    with pytest.raises(StoreAway, match=r"no endpoint answers: (127.0.0.1:\d+: [a-z: ]+(, )?){3}"):
        store.transact(Put(Tombstone("b")))
    for server in three.servers[:2]:
        server.launch()
    wait_until(lambda: _answers(store), "the majority", 30)
    store.transact(Put(Tombstone("b")))


def test_a_listing_of_many_pages_is_of_one_moment(etcd: Etcd, opened: Opened) -> None:
    """More records than etcd gives at once come complete and in order; more changes than it takes are a sentence."""
    store = opened(etcd)
    for start in range(0, 2500, 100):
        store.transact(*(Put(Tombstone(f"{number:05}")) for number in range(start, start + 100)))
    assert [item.record.link for item in store.list(Tombstone)] == [f"{number:05}" for number in range(2500)]
    with pytest.raises(Exception, match=r"it refused: etcdserver: too many operations in txn request"):
        store.transact(*(Put(Tombstone(f"x{number}")) for number in range(200)))
