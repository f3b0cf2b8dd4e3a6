"""What every store must do; see plugin/store/base.py."""

import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.errors import Failed
from plugin.model.records import Lease, Network, Tombstone
from plugin.store.base import ABSENT, Change, Expect, Put, Remove, Store, StoreConflict
from plugin.store.memory import MemoryStore

FAR = 2**62  # a revision that no record has


def lease(number: int, pool: str = "p") -> Lease:
    return Lease(pool, IPv4Address(number))


def revision(store: Store, key: str) -> int:
    found = store.get(Tombstone, key)
    assert found is not None
    return found.revision


def test_a_record_is_read_back(store: Store) -> None:
    """What was put is what get and list return, under the same revision."""
    store.transact(Put(Tombstone("pnh1", "net")))
    found = store.get(Tombstone, "pnh1")
    assert found is not None
    assert found.record == Tombstone("pnh1", "net")
    assert list(store.list(Tombstone)) == [found]


def test_what_was_never_written_is_none(store: Store) -> None:
    """Absence is an answer, and kinds do not see each other's keys."""
    store.transact(Put(Tombstone("p#0.0.0.1")))
    assert store.get(Lease, "p#0.0.0.1") is None
    assert list(store.list(Lease)) == []


def test_revisions_grow_over_the_whole_store(store: Store) -> None:
    """A later write has a greater revision, whatever it writes, also after a removal."""
    store.transact(Put(Tombstone("a")))
    store.transact(Put(Tombstone("b")))
    before = revision(store, "b")
    assert revision(store, "a") < before
    store.transact(Remove(Tombstone, "b"))
    store.transact(Put(Tombstone("b")))
    assert revision(store, "b") > before + 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Put(Tombstone("old"), ABSENT), "it exists already"),
        (Put(Tombstone("old"), FAR), r"but it is at \d"),
        (Put(Tombstone("new"), 1), "but it is gone"),
        (Remove(Tombstone, "old", FAR), r"but it is at \d"),
        (Remove(Tombstone, "new", 1), "but it is gone"),
        (Expect(Tombstone, "old", FAR), r"but it is at \d"),
        (Expect(Tombstone, "old", ABSENT), "it exists already"),
        (Expect(Tombstone, "new", 1), "but it is gone"),
    ],
)
def test_a_moved_record_refuses_the_whole_transaction(store: Store, change: Change, reason: str) -> None:
    """One conflict leaves everything as it was, also the changes before and after it."""
    store.transact(Put(Tombstone("old")))
    before = list(store.list(Tombstone))
    with pytest.raises(StoreConflict, match=reason):
        store.transact(Put(Tombstone("first")), change, Remove(Tombstone, "old"))
    assert list(store.list(Tombstone)) == before


def test_the_expected_revision_lets_a_write_pass(store: Store) -> None:
    """Compare-and-set accepts the revision that was read, for a write and then for a removal."""
    store.transact(Put(Tombstone("a"), ABSENT))
    store.transact(Put(Tombstone("a", "me"), revision(store, "a")))
    store.transact(Remove(Tombstone, "a", revision(store, "a")))
    assert store.get(Tombstone, "a") is None


def test_an_expected_record_stays_as_it_is(store: Store) -> None:
    """Also one that is written in the same transaction, and one that is not there."""
    store.transact(Put(Tombstone("a")))
    before = revision(store, "a")
    expected = Expect(Tombstone, "a", before), Expect(Tombstone, "none", ABSENT)
    store.transact(*expected, Put(Tombstone("b")))
    assert (revision(store, "a"), store.get(Tombstone, "none")) == (before, None)
    store.transact(*expected)
    store.transact(Put(Tombstone("a", "me")), *expected)
    assert revision(store, "a") > before


def test_removing_what_is_gone_is_fine(store: Store) -> None:
    """A removal that expects nothing can be repeated."""
    store.transact(Remove(Tombstone, "a"))
    store.transact(Remove(Tombstone, "a", ABSENT))
    assert list(store.list(Tombstone)) == []


@pytest.mark.parametrize("prefix", ["a%", "a_", "a/", "a", "b", "", "\U0010ffff", "*", "a\0"])
def test_a_prefix_is_taken_literally(store: Store, prefix: str) -> None:
    """No character of a prefix is a wildcard, and the answer is in the order of the keys."""
    keys = ["a%b", "a_c", "aXc", "a/1", "a/10", "a/2", "b", "B", "\U0010ffff\U0010ffff", "*", "a\0z", "a"]
    store.transact(*[Put(Tombstone(key)) for key in keys])
    expected = sorted(key for key in keys if key.startswith(prefix))
    assert [found.record.link for found in store.list(Tombstone, prefix)] == expected


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sets(st.text(max_size=3), max_size=8), prefix=st.text(max_size=2))
def test_any_text_lists_alike(store: Store, keys: set[str], prefix: str) -> None:
    """Whatever the keys are, both stores agree with str.startswith and the order of code points."""
    for found in store.list(Tombstone):
        store.transact(Remove(Tombstone, found.record.link))
    store.transact(*[Put(Tombstone(key)) for key in keys])
    expected = sorted(key for key in keys if key.startswith(prefix))
    assert [found.record.link for found in store.list(Tombstone, prefix)] == expected


def test_a_key_that_is_no_text_is_refused(store: Store) -> None:
    """Half a surrogate pair, which JSON can carry, is a sentence and not a traceback."""
    with pytest.raises(Failed, match="no valid text"):
        store.get(Tombstone, "\ud800")
    with pytest.raises(Failed, match="no valid text"):
        store.transact(Put(Tombstone("\ud800")))
    with pytest.raises(Failed, match="no valid text"):
        store.list(Tombstone, "\ud800")


def test_a_watch_reports_its_kind_in_order(store: Store) -> None:
    """A watch sees what is committed from its beginning on, and neither other kinds nor what was refused."""
    store.transact(Put(Tombstone("before")))
    with store.watch(Tombstone) as events:
        store.transact(Put(Tombstone("a")), Put(lease(1)))
        first = next(events)
        with pytest.raises(StoreConflict):
            store.transact(Put(Tombstone("a", "again"), ABSENT))
        store.transact(Remove(Tombstone, "gone"), Remove(Tombstone, "a"))
        second = next(events)
    assert (first.record, first.key) == (Tombstone("a"), "a")
    assert (second.record, second.key) == (None, "a")
    assert second.revision > first.revision


def test_a_watch_of_a_prefix_reports_nothing_else(store: Store) -> None:
    """A watch of a prefix reports what is written and removed below it, whatever changes together with it."""
    store.transact(Put(Tombstone("blue/old")), Put(Tombstone("red/old")))
    with store.watch(Tombstone, "blue/") as events:
        store.transact(Put(Tombstone("red/a")), Put(Tombstone("blue")))
        store.transact(Put(Tombstone("blue/a/%")), Put(Tombstone("red/b")), Remove(Tombstone, "blue/old"))
        store.transact(Remove(Tombstone, "red/old"))
        store.transact(Put(Tombstone("blue/last")))
        heard = [next(events) for _ in range(3)]
    assert sorted((event.key, event.record is None) for event in heard[:2]) == [("blue/a/%", False), ("blue/old", True)]
    assert heard[2].record == Tombstone("blue/last")


@pytest.mark.parametrize("end", ["block", "store"])
def test_a_watch_ends(store: Store, end: str) -> None:
    """Leaving the block and closing the store both wake whoever waits for an event."""
    waiter: threading.Thread
    with store.watch(Tombstone) as events:
        waiter = threading.Thread(target=lambda: list(events))
        waiter.start()
        if end == "store":
            store.close()
            waiter.join(5)
            assert not waiter.is_alive()
    waiter.join(5)
    assert not waiter.is_alive()


def test_a_watch_of_a_closed_store_is_empty(store: Store) -> None:
    """A watch that comes too late does not wait for ever."""
    store.close()
    with store.watch(Tombstone) as events:
        assert list(events) == []


def test_a_closed_store_says_so(store: Store) -> None:
    """After close, which may be called twice, every use is refused with a sentence."""
    store.transact(Put(Tombstone("a")))
    store.get(Tombstone, "a")
    store.close()
    store.close()
    for use in (lambda: store.get(Tombstone, "a"), lambda: store.list(Tombstone)):
        with pytest.raises(Failed, match="closed"):
            use()
    with pytest.raises(Failed, match="closed"):
        store.transact(Put(Tombstone("b")))


def test_one_of_many_writers_wins(store: Store) -> None:
    """Of 32 threads that insert the same key exactly one succeeds."""
    barrier = threading.Barrier(32)

    def insert(number: int) -> bool:
        barrier.wait()
        try:
            store.transact(Put(Tombstone("a", str(number)), ABSENT))
        except StoreConflict:
            return False
        return True

    with ThreadPoolExecutor(32) as threads:
        assert sum(threads.map(insert, range(32))) == 1


def test_of_two_that_expect_the_other_to_be_absent_one_writes(store: Store) -> None:
    """A removal that expects absence takes part in the decision of the server: nobody writes in between."""
    barrier = threading.Barrier(2)

    def write(mine: str, other: str) -> list[bool]:
        done = []
        for number in range(30):
            barrier.wait()
            try:
                store.transact(Remove(Tombstone, f"{other}{number}", ABSENT), Put(Tombstone(f"{mine}{number}"), ABSENT))
            except StoreConflict:
                done.append(False)
            else:
                done.append(True)
        return done

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(write, "ab", "ba")
    assert [one != other for one, other in zip(first, second, strict=True)] == [True] * 30


def test_threads_write_and_read_at_once(store: Store) -> None:
    """32 threads that write and read see their own writes, and every write gets a revision of its own."""

    def work(number: int) -> bool:
        for step in range(5):
            key = number * 5 + step
            store.transact(Put(lease(key)))
            assert store.get(Lease, f"p#{IPv4Address(key)}") is not None
            assert len(store.list(Lease, "p#")) > step
        return True

    with ThreadPoolExecutor(32) as threads:
        assert all(threads.map(work, range(32)))
    assert len({found.revision for found in store.list(Lease)}) == 160


def test_counters_lose_no_update(store: Store) -> None:
    """Read, add one, write with the revision that was read: with retries no addition is lost."""
    store.transact(Put(Tombstone("n", "0")))

    def add(_: int) -> None:
        while True:
            found = store.get(Tombstone, "n")
            assert found is not None
            try:
                return store.transact(Put(Tombstone("n", str(int(found.record.owner) + 1)), found.revision))
            except StoreConflict:
                continue

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(40)))
    assert [found.record.owner for found in store.list(Tombstone)] == ["40"]


def test_the_memory_store_keeps_no_reference() -> None:
    """A dict that its owner changes after the write does not change what was stored."""
    store = MemoryStore()
    options = {"a": "1"}
    store.transact(Put(Network("n", "bridge", "pn-n", options=options)))
    options["a"] = "2"
    found = store.get(Network, "n")
    assert found is not None
    assert found.record.options == {"a": "1"}
