"""A container that is made again under its name gets the address that it had."""

from ipaddress import ip_address, ip_network

import pytest

from plugin.errors import Exhausted, InvalidRequest
from plugin.ipam.driver import Ipam
from plugin.ipam.sticky import SLACK, NamedAddress, Sticky, _Waiting
from plugin.model.records import Lease
from plugin.protocol.messages import ReleasePool, RequestPool
from plugin.store.base import Change, Remove
from plugin.store.memory import MemoryStore
from tests.unit.ipam.parts import SUPERNETS, CountingStore, Host, address, release

HOUR = 3600.0


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Manager:
    """An address manager with one sticky pool and a clock."""

    def __init__(self, subnet: str = "10.1.0.0/29", **options: str) -> None:
        self.clock, self.store = Clock(), MemoryStore()
        self.ipam = self.restarted()
        sent = {"pynet.sticky": "name", **{f"pynet.{key}": value for key, value in options.items()}}
        wanted = ip_network(subnet)
        self.pool = self.ipam.request_pool(RequestPool("pynet-local", wanted, None, sent, wanted.version == 6)).pool_id

    def restarted(self) -> Ipam:
        self.ipam = Ipam(self.store, Host(), SUPERNETS, sticky=Sticky(self.store, self.clock))
        return self.ipam

    def ask(self, name: str, wanted: str | None = None) -> str:
        return address(self.ipam, self.pool, wanted, **({"name": name} if name else {})).partition("/")[0]

    def again(self, name: str) -> str:
        """Remove the container and make it again."""
        release(self.ipam, self.pool, self.ask(name))
        return self.ask(name)


@pytest.mark.parametrize("subnet", ["10.1.0.0/24", "fd00:1::/64"])
def test_a_name_keeps_its_address(subnet: str) -> None:
    """A name keeps its address, also if others came in between, and after a restart of pynet."""
    manager = Manager(subnet)
    first = manager.ask("web")
    release(manager.ipam, manager.pool, first)
    assert manager.ask("db") != first
    manager.restarted()
    assert manager.ask("web") == first


def test_other_pools_forget_names() -> None:
    """Without the option an address that was given back is free, and the next container gets the next one."""
    manager = Manager(sticky="off")
    first = manager.ask("web")
    assert manager.again("web") != first
    assert not manager.store.list(NamedAddress)


def test_a_container_without_a_name_leaves_nothing_behind() -> None:
    """Engines before 29.0 tell no names; their addresses are given back as ever."""
    manager = Manager()
    release(manager.ipam, manager.pool, manager.ask(""))
    assert not manager.store.list(Lease)


def test_others_get_the_address_when_the_time_is_up() -> None:
    """After ``pynet.keep`` nothing is left of the lease and of the name, and the address is free."""
    manager = Manager("10.1.0.0/30", keep="2h")
    release(manager.ipam, manager.pool, manager.ask("old"))
    manager.ask("one")
    manager.clock.now += 2 * HOUR
    assert manager.ask("two") == "10.1.0.1"
    assert {item.record.name for item in manager.store.list(NamedAddress)} == {"one", "two"}


def test_others_get_it_earlier_when_there_is_no_other() -> None:
    """If no other address is free, others get the one that has waited longest, but never one in use."""
    manager = Manager("10.1.0.0/29")
    held = {name: manager.ask(name) for name in "abcdef"}
    for name in "ba":
        manager.clock.now += 60
        release(manager.ipam, manager.pool, held[name])
    assert [manager.ask("g"), manager.ask("h")] == [held["b"], held["a"]]
    with pytest.raises(Exhausted, match="6 of 6 are taken"):
        manager.ask("i")


def test_a_named_address_is_given_to_who_asks_for_it() -> None:
    """``--ip`` takes an address that only waits; its former owner gets another one."""
    manager = Manager()
    first = manager.ask("web")
    release(manager.ipam, manager.pool, first)
    assert manager.ask("db", first) == first
    assert manager.ask("web") != first


def test_the_newest_of_a_name_is_remembered() -> None:
    """While the old container has its address, a new one of the same name gets another, which the name then keeps."""
    manager = Manager()
    old, new = manager.ask("web"), manager.ask("web")
    release(manager.ipam, manager.pool, new)
    release(manager.ipam, manager.pool, old)
    assert [str(item.record.address) for item in manager.store.list(Lease)] == [new]
    assert manager.ask("web") == new


def test_a_second_release_does_not_keep_it_longer() -> None:
    """A repeated release does not extend the time, which runs from the first one."""
    manager = Manager(keep="1h")
    first = manager.ask("web")
    release(manager.ipam, manager.pool, first)
    manager.clock.now += HOUR / 2
    release(manager.ipam, manager.pool, first)
    assert [item.record.kept_until for item in manager.store.list(Lease)] == [1_000_000 + HOUR]


def test_a_released_pool_forgets_its_names() -> None:
    """A network of the same subnet starts afresh."""
    manager = Manager()
    release(manager.ipam, manager.pool, manager.ask("web"))
    manager.ipam.release_pool(ReleasePool(manager.pool))
    assert not manager.store.list(NamedAddress)
    assert not manager.store.list(Lease)


def test_a_name_that_lost_the_race_gets_another_address() -> None:
    """If the kept lease expires at the moment in which its owner comes back, the owner gets another address."""

    class Racing(MemoryStore):
        def transact(self, *changes: Change) -> None:
            if self.list(Lease) and any(getattr(change, "expect", None) for change in changes) and self.armed:
                self.armed = False
                super().transact(Remove(Lease, self.list(Lease)[0].record.key))
            super().transact(*changes)

        armed = False

    manager = Manager()
    store = Racing()
    manager.store = store
    ipam = manager.restarted()
    ipam.request_pool(RequestPool("pynet-local", ip_network("10.1.0.0/29"), None, {"pynet.sticky": "name"}))
    release(ipam, manager.pool, manager.ask("web"))
    store.armed = True
    assert ip_address(manager.ask("web")) in ip_network("10.1.0.0/29")
    assert [item.record.kept_until for item in store.list(Lease)] == [0]


def test_a_sticky_pool_is_read_once() -> None:
    """Addresses that expire, that are kept and that are taken back cost no further listing of the pool's leases."""
    manager, store = Manager("10.1.0.0/24", keep="1h"), CountingStore()
    manager.store = store
    options = {"pynet.sticky": "name", "pynet.keep": "1h"}
    manager.restarted().request_pool(RequestPool("pynet-local", ip_network("10.1.0.0/24"), None, options))
    manager.again("web")
    before = store.listings[Lease]
    for number in range(9):
        release(manager.ipam, manager.pool, manager.ask(f"name {number}"))
        manager.again("web")
        manager.clock.now += HOUR / 2

    assert store.listings[Lease] == before
    assert sum(item.record.kept_until > 0 for item in store.list(Lease)) < 4


def test_a_container_that_is_made_again_and_again_is_remembered_once() -> None:
    """Addresses that were kept many times take no more memory than those that are kept."""
    waiting, own = _Waiting(), ip_address("10.1.0.1")
    for number in range(1000):
        waiting.push(number, own)
        waiting.push(number, ip_address("10.1.0.2"))
    assert len(waiting._heap) <= 2 * 2 + SLACK
    last = [waiting.pop(1000.0) for _ in range(len(waiting._heap))][-2:]

    assert last == [(999, own), (999, ip_address("10.1.0.2"))]


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("sticky", "yes", "off or name"),
        ("keep", "soon", "30m, 24h or 7d"),
        ("keep", "0h", "30m"),
        ("kep", "1h", "keep"),
    ],
)
def test_a_bad_option_is_refused(key: str, value: str, rule: str) -> None:
    """The sentence says what is legal."""
    with pytest.raises(InvalidRequest, match=rule):
        Manager(**{key: value})
