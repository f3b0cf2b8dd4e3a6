"""Removals that wait for the cluster store."""

import threading
from ipaddress import ip_address

import pytest

from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.records import ClusterLease, QueuedRemoval
from plugin.cluster.hosts.records import KnownHost
from plugin.errors import Failed
from plugin.store.base import Change, Event, Put, Remove, StoreAway
from plugin.store.memory import MemoryStore
from tests.unit.cluster.parts import FakeClusterStore


def host(number: int) -> KnownHost:
    return KnownHost(str(number), "n", ip_address("192.0.2.1"))


def outbox(local: MemoryStore, shared: FakeClusterStore) -> Outbox:
    return Outbox(local, shared, (KnownHost, ClusterLease))


def test_a_removal_is_carried_out_at_once() -> None:
    """While the cluster store answers, no removal waits, and the host's own store changes in the same step."""
    local, shared = MemoryStore(), FakeClusterStore()
    shared.transact(Put(host(1)))
    local.transact(Put(host(1)))
    assert outbox(local, shared).remove(Remove(KnownHost, "1"), also=[Remove(KnownHost, "1")])
    assert not [*shared.list(KnownHost), *local.list(KnownHost), *local.list(QueuedRemoval)]


def test_removals_are_carried_out_in_order_after_a_restart() -> None:
    """Removals that were queued while the store was away survive the process and keep their order."""
    local, shared = MemoryStore(), FakeClusterStore()
    shared.transact(*(Put(host(number)) for number in range(12)))
    shared.away = True
    queue = outbox(local, shared)
    assert not any(queue.remove(Remove(KnownHost, str(number))) for number in range(12))
    shared.away = False
    with shared.watch(KnownHost) as events:
        outbox(local, shared).flush()
        seen: list[Event] = [next(events) for _ in range(12)]
    assert [event.key for event in seen] == [str(number) for number in range(12)]
    assert outbox(local, shared).pending == []


def test_a_store_that_is_away_is_asked_once() -> None:
    """The first removal finds the store away and returns that something is left; the others do not wait again."""
    local, shared = MemoryStore(), FakeClusterStore()
    queue, rung = outbox(local, shared), threading.Event()
    queue.on_left = rung.set
    shared.away = True
    queue.remove(Remove(KnownHost, "1"))
    asked = shared.asked
    queue.remove(Remove(KnownHost, "2"))
    assert (shared.asked, rung.is_set()) == (asked, True)


def test_what_others_wrote_since_is_left_alone() -> None:
    """A removal takes only the same record, and with a revision only the record that was read."""
    local, shared = MemoryStore(), FakeClusterStore()
    mine, theirs = (ClusterLease("p/10.0.0.0/24", ip_address("10.0.0.1"), name, name) for name in "ab")
    shared.transact(Put(theirs))
    outbox(local, shared).take_back(mine)
    outbox(local, shared).remove(Remove(ClusterLease, theirs.key, 99))
    assert [item.record for item in shared.list(ClusterLease)] == [theirs]
    outbox(local, shared).take_back(theirs)
    assert list(shared.list(ClusterLease)) == []


def test_a_removal_that_is_refused_stays() -> None:
    """A refused removal stays queued, for example after a loss of rights."""

    class Refusing(FakeClusterStore):
        def transact(self, *changes: Change) -> None:
            raise Failed("write store 'fake': permission denied")

    local = MemoryStore()
    queue = outbox(local, Refusing())
    assert not queue.remove(Remove(KnownHost, "1"))
    with pytest.raises(Failed, match="permission denied"):
        queue.flush()
    assert [queued.record_key for queued in queue.pending] == ["1"]


def test_a_kind_that_is_unknown_is_dropped() -> None:
    """A removal of an unknown kind, from an older or newer pynet, does not block the queue."""
    local, shared = MemoryStore(), FakeClusterStore()
    local.transact(Put(QueuedRemoval(1, "no-such-kind", "k")))
    outbox(local, shared).flush()
    assert list(local.list(QueuedRemoval)) == []


def test_many_threads_queue_and_carry_out() -> None:
    """No removal is lost or done twice when many come at once."""
    local, shared = MemoryStore(), FakeClusterStore()
    shared.transact(*(Put(host(number)) for number in range(40)))
    queue = outbox(local, shared)

    def remove(base: int) -> None:
        for step in range(5):
            queue.remove(Remove(KnownHost, str(base * 5 + step)))

    workers = [threading.Thread(target=remove, args=(base,)) for base in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not [*shared.list(KnownHost), *local.list(QueuedRemoval)]


def test_an_away_store_is_an_error_of_flush() -> None:
    """``flush`` raises while the store is away, so that the background thread tries again."""
    local, shared = MemoryStore(), FakeClusterStore()
    shared.away = True
    queue = outbox(local, shared)
    queue.remove(Remove(KnownHost, "1"))
    with pytest.raises(StoreAway):
        queue.flush()
