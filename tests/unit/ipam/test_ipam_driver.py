"""What each verb of the IpamDriver protocol means, and what is refused with which words."""

import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from plugin.errors import Busy, Conflict, Exhausted, Failed, InvalidRequest, NotFound
from plugin.model.records import Lease, Pool
from plugin.protocol.api import IpamDriver
from plugin.protocol.messages import ReleaseAddress, ReleasePool, RequestAddress, RequestPool
from plugin.store.base import Put, Remove
from plugin.store.memory import MemoryStore
from plugin.store.sqlite.store import SqliteStore
from tests.unit.ipam.parts import MeddlingStore, address, manager, pool, release


def test_it_is_an_ipam_driver() -> None:
    """The two spaces differ, and the engine need not replay anything."""
    ipam: IpamDriver = manager()
    spaces = ipam.get_default_address_spaces()
    assert spaces.local != spaces.global_
    assert not ipam.get_capabilities().requires_request_replay
    assert not ipam.get_capabilities().requires_mac_address


# --- pools -------------------------------------------------------------------------------------


def test_any_pool_is_a_new_pool_each_time() -> None:
    """The engine asks again while it holds what it disliked, so no answer may repeat (both families)."""
    ipam = manager()
    for v6, expected in ((False, 16), (True, 16)):
        found = {pool(ipam, v6=v6).pool for _ in range(expected)}
        assert len(found) == expected
        words = r"^all predefined address pools have been fully subnetted: .* 16 pools are taken"
        with pytest.raises(Exhausted, match=words):
            pool(ipam, v6=v6)


def test_any_pool_avoids_the_host_and_other_pools() -> None:
    """Routes of the host and pools that users named are both kept clear of."""
    ipam = manager(None, "10.200.0.0/23", "10.200.3.1/32")
    pool(ipam, "10.200.2.0/25")
    assert str(pool(ipam).pool) == "10.200.4.0/24"


@pytest.mark.parametrize(("size", "expected"), [("0.0.0.0/22", "10.200.0.0/22"), ("::/120", "fd00:1::/120")])
def test_a_size_alone_gives_a_pool_of_that_size(size: str, expected: str) -> None:
    """A subnet of address zero, as engines from 29.0 on send it, asks for any pool of its length."""
    assert str(pool(manager(), size).pool) == expected


@pytest.mark.parametrize(
    ("subnet", "sub_pool", "expected"),
    [
        ("10.1.0.0/16", None, "pynet-local/10.1.0.0/16"),
        ("10.1.0.0/16", "10.1.5.0/24", "pynet-local/10.1.0.0/16/10.1.5.0/24"),
        ("fd00:5::/64", None, "pynet-local/fd00:5::/64"),
    ],
)
def test_the_id_of_a_pool_is_readable_and_follows_from_it(subnet: str, sub_pool: str | None, expected: str) -> None:
    """The same request gives the same id on every host and after every restart."""
    reply = pool(manager(), subnet, sub_pool)
    assert (reply.pool_id, str(reply.pool)) == (expected, subnet)


def test_a_named_pool_may_overlap_the_host() -> None:
    """Who names a subnet means it, as with the built-in address manager."""
    assert str(pool(manager(None, "10.0.0.0/8"), "10.1.0.0/16").pool) == "10.1.0.0/16"


@pytest.mark.parametrize("other", ["10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/8", "10.1.0.0/17"])
@pytest.mark.parametrize("space", ["pynet-local", "pynet-global"])
def test_a_pool_that_overlaps_another_one_is_refused(other: str, space: str) -> None:
    """The text names both subnets, the same one again and the other space included; nothing is stored."""
    store = MemoryStore()
    ipam = manager(store)
    pool(ipam, "10.1.0.0/16")
    with pytest.raises(Conflict, match=f"subnet '{other}' .*10.1.0.0/16"):
        ipam.request_pool(RequestPool(space, ip_network(other)))
    assert len(store.list(Pool)) == 1


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (RequestPool("nowhere"), "address space 'nowhere' is not known; spaces are: pynet-local, pynet-global"),
        (RequestPool("", None, ip_network("10.0.0.0/24")), "range '10.0.0.0/24' needs a subnet"),
        (RequestPool("", ip_network("0.0.0.0/24"), ip_network("10.0.0.0/25")), "needs a subnet"),
        (RequestPool("", ip_network("10.0.0.0/24"), ip_network("10.0.1.0/25")), "is not inside subnet '10.0.0.0/24'"),
        (RequestPool("", ip_network("10.0.0.0/24"), ip_network("10.0.0.0/23")), "is not inside subnet '10.0.0.0/24'"),
        (RequestPool("", ip_network("10.0.0.0/24"), ip_network("fd00::/64")), "is not inside subnet '10.0.0.0/24'"),
        (RequestPool("", ip_network("0.0.0.0/0")), "is every address there is"),
        (RequestPool("", ip_network("0.0.0.0/8")), "no supernet is that large"),
        (RequestPool("", ip_network("10.0.0.0/24"), v6=True), "was asked for as an IPv6 pool"),
        (RequestPool("", ip_network("224.0.0.0/24")), "multicast"),
        (RequestPool("", ip_network("127.5.0.0/24")), "loopback"),
        (RequestPool("", options={"pynet.size": "3"}), "'pynet.size' is not known"),
    ],
)
def test_what_no_pool_can_satisfy_is_refused(request_: RequestPool, reason: str) -> None:
    """Each refusal names the value and the rule, and leaves the store as it was."""
    store = MemoryStore()
    with pytest.raises(InvalidRequest, match=reason):
        manager(store).request_pool(request_)
    assert len(store.list(Pool)) == 0


def test_options_of_others_are_ignored() -> None:
    """An unknown option that is not pynet's own is left to whom it belongs."""
    assert manager().request_pool(RequestPool("", options={"com.example.colour": "red"})).pool_id


def test_a_released_pool_and_its_leases_are_gone() -> None:
    """After a release the same subnet starts afresh; a release may come twice, or for what never was."""
    store = MemoryStore()
    ipam = manager(store)
    for _ in range(2):
        given = pool(ipam, "10.1.0.0/24").pool_id
        assert address(ipam, given, gateway="yes") == "10.1.0.1/24"
        assert address(ipam, given, "10.1.0.9") == "10.1.0.9/24"
        ipam.release_pool(ReleasePool(given))
        ipam.release_pool(ReleasePool(given))
        assert (len(store.list(Pool)), len(store.list(Lease))) == (0, 0)
    ipam.release_pool(ReleasePool("pynet-local/10.77.0.0/24"))


def test_a_released_pool_is_not_handed_out_at_once() -> None:
    """The next pool is another one, also after a restart."""
    store = MemoryStore()
    first = pool(manager(store))
    manager(store).release_pool(ReleasePool(first.pool_id))
    assert str(pool(manager(store)).pool) == "10.200.1.0/24"


def test_another_host_that_changes_the_pools_is_noticed() -> None:
    """A pool that appears between reading and writing is seen before anything is written."""
    store = MeddlingStore()
    here, there = manager(store), manager(store)
    pool(here)
    store.before = lambda: pool(there)
    assert str(pool(here).pool) == "10.200.2.0/24"
    store.before = lambda: pool(there, "10.9.0.0/16")
    with pytest.raises(Conflict, match="overlaps"):
        pool(here, "10.9.1.0/24")


def test_what_another_host_did_since_is_known() -> None:
    """What a host remembers of the pools is used only while no other host has changed them."""
    store = MemoryStore()
    here, there = manager(store), manager(store)
    pool(here)
    given = pool(there, "10.9.0.0/16").pool_id
    with pytest.raises(Conflict, match=r"overlaps '10.9.0.0/16'"):
        pool(here, "10.9.1.0/24")
    there.release_pool(ReleasePool(given))
    assert pool(here, "10.9.1.0/24").pool_id == "pynet-local/10.9.1.0/24"


def test_a_pool_that_could_not_be_stored_is_free() -> None:
    """When the store fails, the request fails, and the pool is not lost."""
    store = MeddlingStore()
    ipam = manager(store)
    store.failures = 1
    with pytest.raises(Failed, match="disk is full"):
        pool(ipam, "10.1.0.0/24")
    assert pool(ipam, "10.1.0.0/24").pool_id == "pynet-local/10.1.0.0/24"


# --- addresses ---------------------------------------------------------------------------------


def test_addresses_carry_the_prefix_length_of_their_pool() -> None:
    """The engine takes the prefix length of the interface from the reply."""
    ipam = manager()
    assert address(ipam, pool(ipam, "10.1.0.0/20").pool_id) == "10.1.0.1/20"
    assert address(ipam, pool(ipam, "fd00:9::/64").pool_id, "fd00:9::77") == "fd00:9::77/64"


@pytest.mark.parametrize(
    ("sub_pool", "taken", "expected"),
    [
        (None, None, "10.1.0.1/24"),
        ("10.1.0.128/25", None, "10.1.0.128/24"),
        (None, "10.1.0.1", "10.1.0.2/24"),
        ("10.1.0.128/25", "10.1.0.128", "10.1.0.129/24"),
    ],
)
def test_a_gateway_gets_the_first_address(sub_pool: str | None, taken: str | None, expected: str) -> None:
    """The first address of the range, else of the pool, or the next free one."""
    ipam = manager()
    given = pool(ipam, "10.1.0.0/24", sub_pool).pool_id
    if taken:
        address(ipam, given, taken)
    assert address(ipam, given, gateway="yes") == expected


def test_dynamic_addresses_come_from_the_range_and_static_ones_from_the_pool() -> None:
    """An address outside of --ip-range but inside of the subnet is accepted, because an error fails the network."""
    ipam = manager()
    given = pool(ipam, "10.1.0.0/24", "10.1.0.64/30").pool_id
    assert address(ipam, given, "10.1.0.200") == "10.1.0.200/24"
    assert [address(ipam, given) for _ in range(4)] == [f"10.1.0.{n}/24" for n in range(64, 68)]
    left = r".* range '10.1.0.64/30' of pool '10.1.0.0/24': 4 of 4 are taken"
    with pytest.raises(Exhausted, match=f"^no available addresses on this pool: {left}"):
        address(ipam, given)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("10.2.0.1", "address '10.2.0.1' is not in pool '10.1.0.0/24'"),
        ("fd00::1", "address 'fd00::1' is not in pool"),
        ("10.1.0.0", "is the network address of pool '10.1.0.0/24'"),
        ("10.1.0.255", "is the broadcast address of pool"),
    ],
)
def test_an_address_that_cannot_be_given_is_refused(wanted: str, reason: str) -> None:
    """The text names the address and the pool."""
    ipam = manager()
    given = pool(ipam, "10.1.0.0/24").pool_id
    with pytest.raises(InvalidRequest, match=reason):
        address(ipam, given, wanted)


@pytest.mark.parametrize(
    ("holder", "by"), [({}, "$"), ({"gateway": "yes"}, " by the gateway$"), ({"name": "web-1"}, " by 'web-1'$")]
)
def test_a_taken_address_is_refused(holder: dict[str, str], by: str) -> None:
    """The text says who holds the address when that is known."""
    ipam = manager()
    given = pool(ipam, "10.1.0.0/24").pool_id
    address(ipam, given, "10.1.0.5", **holder)
    with pytest.raises(Conflict, match=f"address '10.1.0.5' is already in use in pool '10.1.0.0/24'{by}"):
        address(ipam, given, "10.1.0.5")


def test_an_unknown_pool_is_named() -> None:
    """Without its pool an address cannot be given."""
    with pytest.raises(NotFound, match=r"pool 'pynet-local/10.1.0.0/24' is not known"):
        address(manager(), "pynet-local/10.1.0.0/24")


@pytest.mark.parametrize(
    "gone",
    [
        ReleaseAddress("nowhere", ip_address("10.0.0.1")),
        ReleaseAddress("pynet-local/10.1.0.0/24", ip_address("10.1.0.77")),
        ReleaseAddress("pynet-local/10.1.0.0/24", ip_address("10.9.9.9")),
        ReleaseAddress("pynet-local/10.1.0.0/24", None),
    ],
)
def test_releasing_what_nobody_holds_is_fine(gone: ReleaseAddress) -> None:
    """The engine releases twice, and also what it was never given; what others hold stays theirs."""
    store = MemoryStore()
    ipam = manager(store)
    address(ipam, pool(ipam, "10.1.0.0/24").pool_id)
    ipam.release_address(gone)
    assert len(store.list(Lease)) == 1


def test_leases_are_in_the_store_with_purpose_and_name() -> None:
    """What was handed out is on record when the reply is made."""
    store = MemoryStore()
    ipam = manager(store)
    given = pool(ipam, "10.1.0.0/24").pool_id
    address(ipam, given, gateway="yes")
    address(ipam, given, name="web-1")
    found = [(str(item.record.address), item.record.purpose, item.record.name) for item in store.list(Lease)]
    assert found == [("10.1.0.1", "gateway", ""), ("10.1.0.2", "endpoint", "web-1")]


def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """A second manager on the same file knows every lease and does not give the freed address at once."""
    store = SqliteStore(tmp_path / "pynet.db")
    ipam = manager(store)
    given = pool(ipam, "10.1.0.0/29").pool_id
    addresses = [address(ipam, given) for _ in range(3)]
    release(ipam, given, addresses[0])
    store.close()
    store = SqliteStore(tmp_path / "pynet.db")
    again = manager(store)
    assert [address(again, given) for _ in range(4)] == [f"10.1.0.{n}/29" for n in (4, 5, 6, 1)]
    store.close()


def test_an_address_that_another_host_took_is_passed_over() -> None:
    """Two hosts on one store never hand out the same address, whatever each remembers."""
    store = MeddlingStore()
    here, there = manager(store), manager(store)
    given = pool(here, "10.1.0.0/24").pool_id
    assert address(here, given) == "10.1.0.1/24"
    store.before = lambda: address(there, given)
    assert address(here, given) == "10.1.0.3/24"


def test_an_address_that_could_not_be_stored_is_not_lost() -> None:
    """When the store fails nothing was handed out, and what is known is read again."""
    store = MeddlingStore()
    ipam = manager(store)
    given = pool(ipam, "10.1.0.0/31").pool_id
    store.failures = 1
    with pytest.raises(Failed, match="disk is full"):
        address(ipam, given)
    assert {address(ipam, given), address(ipam, given)} == {"10.1.0.0/31", "10.1.0.1/31"}


def test_a_contended_address_ends_in_a_sentence() -> None:
    """When others always win, the request ends after a bounded number of attempts."""

    class Contended(MemoryStore):
        def get(self, kind, key):  # type: ignore[no-untyped-def]
            return None if kind is Lease else super().get(kind, key)

    ipam = manager(Contended())
    given = pool(ipam, "10.1.0.0/24").pool_id
    address(ipam, given, "10.1.0.5")
    with pytest.raises(Busy, match=r"address '10.1.0.5': it keeps being taken and given back"):
        address(ipam, given, "10.1.0.5")


def test_leases_of_a_dead_pool_are_not_inherited() -> None:
    """A lease that was written while its pool was released does not make an address of the next pool taken."""
    store = MemoryStore()
    store.transact(Put(Lease("pynet-local/10.1.0.0/31", ip_address("10.1.0.0"))))
    ipam = manager(store)
    given = pool(ipam, "10.1.0.0/31").pool_id
    assert address(ipam, given) == "10.1.0.0/31"


def test_a_lease_that_meets_the_release_of_its_pool_is_gone_too() -> None:
    """Whichever of the two writes first: nobody could give the address back."""
    store = MeddlingStore()
    ipam = manager(store)
    given = pool(ipam, "10.1.0.0/24").pool_id
    store.before = lambda: ipam.release_pool(ReleasePool(given))
    with pytest.raises(NotFound, match=r"pool 'pynet-local/10.1.0.0/24' is not known"):
        address(ipam, given)
    assert store.list(Lease) == []

    given = pool(ipam, "10.1.0.0/24").pool_id
    store.before = lambda: address(ipam, given)
    ipam.release_pool(ReleasePool(given))
    assert [*store.list(Lease), *store.list(Pool)] == []


def test_300_threads_get_300_addresses(tmp_path: Path) -> None:
    """Parallel requests for one pool never share an address, on the store that is used in earnest."""
    store = SqliteStore(tmp_path / "pynet.db")
    ipam = manager(store)
    given = pool(ipam, "10.1.0.0/23").pool_id
    barrier = threading.Barrier(300)

    def ask(_: int) -> str:
        barrier.wait()
        return address(ipam, given)

    with ThreadPoolExecutor(300) as threads:
        found = list(threads.map(ask, range(300)))
    assert len(set(found)) == 300
    assert len(store.list(Lease)) == 300
    store.close()


def test_threads_get_different_pools() -> None:
    """Parallel requests for any pool never share one."""
    ipam = manager()
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: pool(ipam).pool, range(16)))
    assert len(set(found)) == 16


def test_a_store_that_lost_a_lease_behind_our_back_is_believed() -> None:
    """The store decides: what is gone from it can be asked for again at once."""
    store = MemoryStore()
    ipam = manager(store)
    given = pool(ipam, "10.1.0.0/24").pool_id
    address(ipam, given, "10.1.0.5")
    store.transact(Remove(Lease, f"{given}#10.1.0.5"))
    reply = ipam.request_address(RequestAddress(given, ip_address("10.1.0.5")))
    assert str(reply.address) == "10.1.0.5/24"
