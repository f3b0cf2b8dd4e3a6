"""What a host hears of a cluster store that many hosts use, and when hosts ask it."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Interface, ip_address
from typing import Any, cast

import pytest

from plugin.background.share import pause_after
from plugin.cluster.names.records import ClusterName
from plugin.cluster.overlay.forwarding import LocalView
from plugin.cluster.overlay.records import Member, Peer
from plugin.cluster.overlay.table_sync import PERIOD, SHARE
from plugin.cluster.overlay.watching import MOST, Watching
from plugin.cluster.record_watch import SPREAD, RecordWatch
from plugin.model.records import Endpoint, Overlay
from plugin.store.base import Event, Put
from plugin.store.memory import MemoryStore
from plugin.store.remote.address import Access
from plugin.store.remote.etcd.client import EtcdClient
from plugin.store.remote.etcd.watch import EtcdWatcher, Scope
from plugin.store.remote.factory import parse_store_address
from plugin.store.remote.http import HttpEndpoints
from plugin.store.remote.subscriptions import KnownRevisions, Subscription
from plugin.store.rows import Aside, Row
from tests.overlay_fakes import OverlayWorld, host_with_endpoint, overlay
from tests.unit import requests as rq

VIEW = LocalView("h1", ip_address("192.0.2.1"))


class Counted(MemoryStore):
    """Counts listings and watches by kind and prefix."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[tuple[str, str, str]] = Counter()
        self.open: list[str] = []

    def list(self, kind: Any, prefix: str = "") -> Any:
        self.asked["list", kind.kind, prefix] += 1
        return super().list(kind, prefix)

    @contextmanager
    def watch(self, kind: Any, prefix: str = "") -> Iterator[Any]:
        self.open.append(prefix)
        with super().watch(kind, prefix) as events:
            yield events


def peer(network: str, number: int) -> Peer:
    """Return an endpoint of another host."""
    return Peer(network, f"e{number}", "h2", f"02:00:00:00:01:{number:02x}", IPv4Interface((0x0A090100 + number, 24)))


def watching(store: Counted, changed: list[str]) -> Watching:
    """Return a running follower of networks, whose changes are noted."""
    found = Watching(store, MemoryStore(), lambda name, _: changed.append(name), lambda: 0.0)
    found.start()
    return found


def test_a_host_asks_for_the_networks_that_it_has() -> None:
    """A network's records are listed once when it is made here, and those of other networks never."""
    store = Counted()
    store.transact(*(Put(peer(network, 1)) for network in ("blue", "red")))
    hears = watching(store, [])
    records = hears.add("blue", "n", VIEW, now=True)

    assert records.claimants([ip_address("10.9.1.1")]) == {"blue/e1"}
    assert dict(store.asked) == {("list", kind.kind, "blue/"): 1 for kind in (Peer, Member, ClusterName)}
    assert store.open == ["blue/"] * 3
    hears.stop()
    store.close()


def test_the_networks_beyond_share_a_watch() -> None:
    """Hosts with many networks need no more watches, and pass over the networks that they do not have."""
    store, changed = Counted(), list[str]()
    hears = watching(store, changed)
    names = [f"n{number:02}" for number in range(MOST + 3)]
    for name in names:
        hears.add(name, f"id-{name}", VIEW, now=True)
    assert len(store.open) == 3 * (MOST + 1)
    changed.clear()
    for name in (names[-1], "other"):
        hears.heard(Event(Peer.kind, f"{name}/e1", peer(name, 1), 1))

    assert changed == [names[-1]]
    hears.stop()
    store.close()


def test_a_network_that_is_gone_is_heard_no_more() -> None:
    """The records of a removed network are forgotten, and its changes are passed over."""
    store, changed = Counted(), list[str]()
    hears = watching(store, changed)
    hears.add("blue", "n", VIEW, now=True)
    hears.drop("blue")
    changed.clear()
    for event in (Event(Peer.kind, "blue/e1", peer("blue", 1), 1), Event(Endpoint.kind, "n/e", None, 1)):
        hears.heard(event)

    assert (changed, hears.of("blue")) == ([], None)
    hears.stop()
    store.close()


def test_an_endpoint_costs_no_listing() -> None:
    """Creating and removing an endpoint lists nothing of the cluster store, and neither does a round of repairs."""
    world = host_with_endpoint()
    listed = list[str]()
    real = world.real.list

    def listing(kind: Any, prefix: str = "") -> Any:
        listed.append(kind.kind)
        return real(kind, prefix)

    world.real.list = listing  # type: ignore[method-assign]
    world.driver.create_endpoint(replace(rq.endpoint(address="10.9.0.9/24"), endpoint_id="e1" * 32))
    world.presence.mend()
    world.peers.sync(everything=True)
    world.driver.delete_endpoint(rq.ENDPOINT)

    assert listed == []


def test_one_change_reads_no_table_of_the_kernel() -> None:
    """The endpoint of another host among many is written with its entries alone; the kernel's tables are not read."""
    world, other = OverlayWorld(), OverlayWorld(2)
    world.driver.create_network(overlay(rq.NETWORK_ID, "10.9.0.1/16"))
    world.real.transact(Put(other.presence.member(Overlay("blue", 0, 0, 0), "n")))
    world.real.transact(*(Put(peer("blue", number)) for number in range(200)))
    world.hear()
    world.tunnels.asked, reads = [], list[str]()
    world.tunnels.entries = lambda _, link: reads.append(link)  # type: ignore[method-assign,assignment,return-value]
    new = Peer("blue", "new", "h2", "02:00:00:00:00:77", IPv4Interface("10.9.0.77/24"))
    world.peers.watching.heard(Event(Peer.kind, new.key, new, 10**6))
    world.peers.sync()

    assert (len(world.tunnels.asked), reads) == (3, [])


def test_a_new_network_does_not_read_its_tables_again() -> None:
    """The kernel's tables are read when the network is made, and not once more for the listing that this took."""
    world, reads = OverlayWorld(), list[str]()
    entries = world.tunnels.entries

    def reading(bridge: str, link: str) -> Any:
        reads.append(link)
        return entries(bridge, link)

    world.driver.create_network(overlay())
    world.tunnels.entries = reading  # type: ignore[method-assign]
    world.peers.sync()

    assert reads == []


def test_large_tables_are_read_less_often() -> None:
    """Readings of the kernel's tables take a thousandth of a core at most, and come once a minute at most."""
    assert [pause_after(cost, SHARE, PERIOD) for cost in (0.0, 0.01, 0.3)] == [60.0, 60.0, 300.0]


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_hosts_whose_watch_could_not_begin_list_apart(chance: float) -> None:
    """A host that could not list tries again at a moment of its own within some seconds."""
    watch = RecordWatch(MemoryStore(), Peer, cast("Any", None), chance=lambda: chance)
    assert watch.pause() == chance * SPREAD


class Paused(Subscription):
    """Notes pauses in the place of waiting."""

    def __init__(self, done: list[object]) -> None:
        super().__init__()
        self._done = done

    def pause(self, seconds: float) -> None:
        self._done.append(seconds)


@pytest.mark.parametrize(("records", "times"), [(0, 1), (1000, 1), (10_000, 10)])
def test_hosts_list_apart_after_a_compaction(records: int, times: int) -> None:
    """All watches learn of a compaction at once: each waits for a time of its own, longer with many records to list."""
    done = list[object]()

    class Client:
        """Answers a listing of one record."""

        http = HttpEndpoints(parse_store_address("etcd://store"), Access(), lambda _: "")

        def rows(self, kind: str, prefix: str) -> tuple[list[Row], int]:
            done.append(prefix)
            return [Row("blue/e1", 7, json.dumps({"network": "blue"}))], 7

    known = KnownRevisions(Peer, {f"blue/{number}": 1 for number in range(records)}, Aside())
    watcher = EtcdWatcher(cast("EtcdClient", Client()), Scope(Peer.kind, "blue/"), known, 1, lambda: 0.5)
    watcher._cancelled(Paused(done), {"result": {"compact_revision": "6"}})
    assert done == [0.5 * SPREAD * times, "blue/"]
