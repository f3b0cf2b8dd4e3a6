"""The threads of a host in a cluster, side by side."""

import threading
from ipaddress import ip_address
from typing import Any

import pytest

from plugin.background.loop import Loop, trouble
from plugin.cluster.addresses.outbox import FairLock, Outbox
from plugin.cluster.addresses.records import ClusterLease, QueuedRemoval
from plugin.cluster.addresses.upkeep import AGAIN, AUDIT, RETRY, SPREAD, Upkeep
from plugin.cluster.hosts.membership import Membership
from plugin.cluster.hosts.records import ClusterHost, KnownHost
from plugin.errors import Busy, Failed
from plugin.store.base import CHUNK, Change, Put, Record, Remove, StoreAway
from plugin.store.memory import MemoryStore
from tests.engine.lab.process import wait_until
from tests.unit.cluster.parts import ClusterMember, FakeClusterStore

WAITING = 400


class SlowStore(FakeClusterStore):
    """Carries out no removal before the gate is open, and counts renewals."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.reached = threading.Event(), threading.Event()
        self.renewals = 0
        self.removals: list[int] = []  # how many there were in each transaction

    def announce(self, record: Record, seconds: int) -> bool:
        self.renewals += 1
        return super().announce(record, seconds)

    def transact(self, *changes: Change) -> None:
        removals = [change for change in changes if isinstance(change, Remove)]
        if removals:
            self.removals.append(len(removals))
            self.reached.set()
            assert self.open.wait(60)
        super().transact(*changes)


def backlog(local: MemoryStore, shared: FakeClusterStore, count: int = WAITING) -> list[ClusterLease]:
    """Leave removals of that many leases from an earlier run."""
    pool = "blue/10.1.0.0/16"
    held = [ClusterLease(pool, ip_address("10.1.0.2") + number, "id-a", f"t{number}") for number in range(count + 1)]
    for lease in held:
        shared.transact(Put(lease))
    box = Outbox(local, shared, [ClusterLease])
    shared.away = True
    box.take_back(*held[:count])
    shared.away = False
    return held


def test_the_lease_is_renewed_while_removals_take_for_ever() -> None:
    """The lease is renewed although 400 removals wait and the store carries out none."""
    local, shared = MemoryStore(), SlowStore()
    backlog(local, shared)
    upkeep = Upkeep(Outbox(local, shared, [ClusterLease]), lambda: None)
    membership = Membership(shared, ClusterHost("id-a", "a", ip_address("192.0.2.1"), 0), upkeep.returned, 0.01)
    upkeep.start()
    assert shared.reached.wait(10)
    membership.start()
    wait_until(lambda: shared.renewals >= 5, "five renewals")
    assert (membership.available, len(local.list(QueuedRemoval))) == (True, WAITING)
    shared.open.set()
    wait_until(lambda: not local.list(QueuedRemoval), "the removals")
    membership.stop()
    upkeep.stop()
    assert (shared.list(ClusterLease)[0].record.token, max(shared.removals)) == (f"t{WAITING}", CHUNK)


def test_the_watchdog_is_told_of_a_thread_of_the_cluster_that_hangs() -> None:
    """The watchdog hears of a hanging thread of removals, while the thread of the lease goes on and is well."""
    shared = SlowStore()
    backlog(local := MemoryStore(), shared)
    upkeep = Upkeep(Outbox(local, shared, [ClusterLease]), lambda: None, longest=0.0)
    membership = Membership(shared, ClusterHost("id-a", "a", ip_address("192.0.2.1"), 0), upkeep.returned)
    threads: list[Loop[Any]] = [upkeep.start(), membership.start()]
    assert shared.reached.wait(10)
    assert trouble(threads) == "thread 'upkeep' has given no sign of life for 0 s"

    shared.open.set()
    membership.stop()
    upkeep.stop()
    assert trouble(threads) == ""


@pytest.mark.parametrize("away", [False, True])
def test_a_removal_does_not_wait_for_those_before_it(away: bool) -> None:
    """With 400 waiting removals, a new one is only queued, whether the store is slow or away."""
    local, shared = MemoryStore(), SlowStore()
    *_, last = backlog(local, shared)
    box, rung = Outbox(local, shared, [ClusterLease]), threading.Event()
    box.on_left = rung.set
    shared.away = away
    asked = shared.asked
    assert not box.take_back(last)
    assert (shared.asked, rung.is_set(), len(local.list(QueuedRemoval))) == (asked, True, WAITING + 1)
    shared.away = False
    shared.open.set()
    box.flush()
    assert not [*shared.list(ClusterLease), *local.list(QueuedRemoval)]
    shared.transact(Put(last))
    assert box.take_back(last)  # at once again: nothing is behind


def test_what_is_written_anew_stays() -> None:
    """A record that is written again drops a waiting removal of the same record; removals of others stay."""
    local, shared = MemoryStore(), FakeClusterStore()
    one, other = (KnownHost(number, "n", ip_address("192.0.2.1")) for number in "12")
    box = Outbox(local, shared, [KnownHost])
    shared.transact(Put(one), Put(other))
    shared.away = True
    box.take_back(one, other)
    shared.away = False
    box.keep(one, KnownHost("2", "another", other.address))
    shared.transact(Put(one))
    box.flush()
    assert [item.record for item in shared.list(KnownHost)] == [one]


def test_whoever_writes_anew_waits_for_a_removal_that_is_half_way() -> None:
    """A new write waits for a removal that has already compared the record, and must not remove the new one."""
    local, shared = MemoryStore(), SlowStore()
    host = KnownHost("1", "n", ip_address("192.0.2.1"))
    shared.transact(Put(host))
    box = Outbox(local, shared, [KnownHost])
    threads = [threading.Thread(target=call, args=(host,)) for call in (box.take_back, box.keep)]
    threads[0].start()
    assert shared.reached.wait(10)
    threads[1].start()
    wait_until(lambda: len(box._sending._waiting) == 2, "it to stand in line")
    shared.open.set()
    for thread in threads:
        thread.join(10)
    assert not [*shared.list(KnownHost), *local.list(QueuedRemoval)]


class Picky(FakeClusterStore):
    """Refuses removals of the records in ``refused``."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self.refused = set(refused)

    def transact(self, *changes: Change) -> None:
        if any(isinstance(change, Remove) and change.key in self.refused for change in changes):
            raise Failed("write store 'fake': permission denied")
        super().transact(*changes)


def test_one_that_is_refused_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    """A refused removal stops neither those behind it nor the comparison; it is logged once and tried again."""
    local, shared, repairs = MemoryStore(), Picky("3"), list[int]()
    hosts = [KnownHost(str(number), "n", ip_address("192.0.2.1")) for number in range(9)]
    shared.transact(*map(Put, hosts))
    box = Outbox(local, shared, [KnownHost])
    upkeep = Upkeep(box, lambda: repairs.append(1))
    shared.away = True
    box.take_back(*hosts)
    shared.away = False
    pauses = [upkeep.tend(100.0), upkeep.tend(110.0)]
    assert [queued.record_key for queued in box.pending] == ["3"]
    assert (repairs, pauses) == ([1], [AGAIN, AGAIN])
    assert capsys.readouterr().out.count("permission denied") == 1
    shared.refused.clear()
    upkeep.tend(120.0)
    assert not [*shared.list(KnownHost), *box.pending]


def test_hosts_compare_at_different_moments_when_the_store_is_back() -> None:
    """Hosts compare everything at start and now and then, and their own records at random moments after an outage."""
    chances, done = iter([0.5, 0.0, 0.25, 0.0, 0.0, 0.5]), list[tuple[str, float]]()
    shared, now = FakeClusterStore(), 0.0
    box = Outbox(MemoryStore(), shared, [KnownHost])
    upkeep = Upkeep(box, lambda: done.append(("all", now)), lambda: next(chances, 0.0))
    upkeep.when_back(lambda: done.append(("own", now)))
    assert upkeep.tend(now) == AUDIT
    upkeep.returned()
    assert upkeep.tend(now) == 0.25 * SPREAD
    for now in (0.2 * SPREAD, 0.25 * SPREAD, 20.0, AUDIT, 2.24 * AUDIT, 2.25 * AUDIT):
        upkeep.tend(now)
    assert done == [("all", 0.0), ("own", 0.25 * SPREAD), ("all", AUDIT), ("all", 2.25 * AUDIT)]


def test_a_check_that_fails_is_repeated_and_a_repair_replaces_it() -> None:
    """At a random moment, so that hosts which failed together do not come together again."""
    shared, done = FakeClusterStore(), list[object]()
    upkeep = Upkeep(Outbox(MemoryStore(), shared, [KnownHost]), lambda: done.append("all"), lambda: 0.5)
    upkeep.tend(0.0)
    upkeep.when_back(lambda: done.append(shared.list(KnownHost)))
    upkeep.returned()
    shared.away = True
    assert [upkeep.tend(now) for now in (1.0, 1.0 + 0.5 * SPREAD)] == [0.5 * SPREAD] * 2
    shared.away = False
    upkeep.tend(1.0 + SPREAD)
    upkeep.returned()
    upkeep.tend(2 * AUDIT)
    upkeep.tend(2 * AUDIT + SPREAD)
    assert done == ["all", [], "all"]


@pytest.mark.parametrize("waiting", [0, 1])
def test_hosts_that_tried_in_vain_come_back_apart(waiting: int) -> None:
    """Each failure delays the next comparison by a random time, so that hosts do not all come at an outage's end."""
    shared, repairs = FakeClusterStore(), list[object]()
    box = Outbox(MemoryStore(), shared, [KnownHost])
    upkeep = Upkeep(box, lambda: repairs.append(shared.list(KnownHost)), lambda: 0.75)
    shared.away = True
    box.take_back(*[KnownHost("1", "n", ip_address("192.0.2.1"))] * waiting)
    assert [upkeep.tend(now) for now in (0.0, 100.0)] == [RETRY if waiting else 0.75 * SPREAD] * 2
    shared.away = False
    upkeep.tend(100.0 + RETRY)
    assert repairs == []
    assert upkeep.tend(100.0 + 0.75 * SPREAD) == AUDIT
    assert len(repairs) == 1


def test_whoever_came_first_is_first() -> None:
    """Waiting threads get the lock in the order in which they came, and one that gives up is passed over."""
    line, order, begun = FairLock(), list[int](), list[threading.Event]()

    def take(number: int, seconds: float) -> None:
        begun[number].set()
        try:
            with line.hold(seconds):
                order.append(number)
        except Busy:
            order.append(-number)

    with line.hold(1):
        threads = []
        for number, seconds in enumerate((20.0, 0.0, 20.0)):
            begun.append(threading.Event())
            threads.append(threading.Thread(target=take, args=(number, seconds)))
            threads[-1].start()
            wait_until(lambda: len(line._waiting) + len(order) == len(threads) + 1, "it to stand in line")
    for thread in threads:
        thread.join(10)
    assert order == [-1, 0, 2]


def test_what_nobody_foresaw_ends_no_thread() -> None:
    """A comparison that fails unexpectedly is tried again, after the waiting removals."""
    shared = FakeClusterStore()
    host = ClusterMember(shared)
    tries = list[int]()

    def fail() -> None:
        tries.append(1)
        raise ValueError("nobody foresaw this")

    host.upkeep._repair = fail
    host.upkeep.start()
    pool = host.pool("10.1.0.0/24")
    shared.away = True
    host.release_pool(pool)
    shared.away = False
    wait_until(lambda: len(tries) > 0 and not host.outbox.pending, "the removal")
    host.upkeep.stop()


def test_a_store_that_goes_away_half_way_is_an_error_of_flush() -> None:
    """``flush`` raises if the store goes away half-way, and does not repeat the removals that were carried out."""
    local, shared = MemoryStore(), FakeClusterStore()
    backlog(local, shared, 40)
    box = Outbox(local, shared, [ClusterLease])
    read, reads = shared.get, iter(range(99))
    shared.get = lambda kind, key: _away() if next(reads) == 35 else read(kind, key)  # type: ignore[method-assign]
    with pytest.raises(StoreAway):
        box.flush()
    assert len(local.list(QueuedRemoval)) == 40 - CHUNK
    box.flush()
    assert (len(shared.list(ClusterLease)), box.pending) == (1, [])


def _away() -> None:
    raise StoreAway("read store 'fake': no endpoint answers")
