"""Pools and addresses that hosts share: the answers to requests, and the texts of refusals."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest

from plugin.cluster.addresses.records import ClusterLease, PoolUse
from plugin.errors import Conflict, Exhausted, InvalidRequest, NotFound
from plugin.model.records import Pool
from plugin.protocol.messages import RequestPool, Subnet
from plugin.request.execution import Overdue, WorkerPool
from plugin.store.base import StoreAway
from tests.unit.cluster.parts import ClusterMember, FakeClusterStore, leases


@pytest.fixture
def shared() -> FakeClusterStore:
    return FakeClusterStore()


@pytest.fixture
def two(shared: FakeClusterStore) -> tuple[ClusterMember, ClusterMember]:
    return ClusterMember(shared, "a"), ClusterMember(shared, "b")


Two = tuple[ClusterMember, ClusterMember]


def test_hosts_get_the_same_pool(two: Two, shared: FakeClusterStore) -> None:
    """The first host chooses, the others join; each has an id of its own, and there is one pool."""
    one, other = (host.pool() for host in two)
    assert one.rpartition("/")[0] == other.rpartition("/")[0] == "pynet-cluster/blue/10.200.0.0/24"
    assert one != other
    assert [item.record.id for item in shared.list(Pool)] == ["blue/10.200.0.0/24"]


def test_who_makes_a_pool_late_takes_nothing_from_who_was_first(shared: FakeClusterStore) -> None:
    """While a host looks for a free pool, another host makes the pool and leases addresses: they stay leased."""
    quick, late = ClusterMember(shared, "a"), ClusterMember(shared, "b")
    looks, held = iter(range(9)), list[str]()

    def in_use(within: Collection[Subnet] | None = None) -> list[Subnet]:  # noqa: ARG001 - the name is the port's
        if next(looks) == 1:  # the second time: the pools have been read, and the choice is made
            pool = quick.pool()
            held.extend((quick.address(pool, gateway=True), quick.address(pool)))
        return []

    late.networks.in_use = in_use  # type: ignore[method-assign]
    pool = late.pool()

    assert set(held) == set(leases(shared))
    assert late.address(pool, gateway=True) == held[0]


def test_networks_with_other_names_are_others(two: Two) -> None:
    """A chosen pool belongs to no other network; a named subnet may equal that of a network that it never meets."""
    assert two[0].pool(network="blue").split("/")[2] == "10.200.0.0"
    assert two[1].pool(network="red").split("/")[2] == "10.200.1.0"
    assert two[1].pool("10.200.0.0/24", network="green").split("/")[1] == "green"


def test_families_are_pools_of_their_own(two: Two) -> None:
    """A network has one pool of each IP version."""
    assert two[0].pool("10.1.0.0/24").startswith("pynet-cluster/blue/10.1.0.0/24")
    assert two[0].pool("fd00:9::/64").startswith("pynet-cluster/blue/fd00:9::/64")
    with pytest.raises(
        Conflict, match=r"'fd00:9::/64' on the other hosts, and this host asks for subnet 'fd00:8::/64'"
    ):
        two[1].pool("fd00:8::/64")


def test_another_subnet_is_refused_with_both(two: Two) -> None:
    """If two hosts configure one network differently, the error names both values and the second writes nothing."""
    two[0].pool("10.1.0.0/24")
    text = r"network 'blue' has subnet '10.1.0.0/24' on the other hosts, and this host asks for subnet '10.2.0.0/24'"
    with pytest.raises(Conflict, match=text):
        two[1].pool("10.2.0.0/24")
    with pytest.raises(Conflict, match=r"asks for a subnet of size /26"):
        two[1].pool("0.0.0.0/26")
    assert [item.record.host for item in two[0].shared.list(PoolUse)] == ["id-a"]


def test_a_pool_that_this_host_uses_is_refused(shared: FakeClusterStore) -> None:
    """A joined pool that overlaps a route of the host is refused: the engine would ask for another one for ever."""
    ClusterMember(shared, "a").pool("10.1.0.0/24")
    cramped = ClusterMember(shared, "b", "10.1.0.0/16")
    with pytest.raises(
        Conflict, match=r"has subnet '10.1.0.0/24' on the other hosts, and this host uses '10.1.0.0/16'"
    ):
        cramped.pool()
    assert cramped.pool("10.1.0.0/24")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pynet.network": "a/b"}, "'pynet.network' must be 1 to 63"),
        ({"pynet.networks": "a"}, "own options are: pynet"),
    ],
)
def test_bad_options_are_refused(two: Two, options: dict[str, str], text: str) -> None:
    """A name that cannot be part of a key, and an unknown option, are refused with a sentence."""
    with pytest.raises(InvalidRequest, match=text):
        two[0].addresses.request_pool(RequestPool("pynet-local", ip_network("10.1.0.0/24"), None, options, v6=False))


def test_the_gateway_is_everybody_s(two: Two, shared: FakeClusterStore) -> None:
    """Each host is the gateway of its own containers under one address; another address is refused, naming both."""
    one, other = (host.pool("10.1.0.0/24") for host in two)
    assert [two[0].address(one, gateway=True), two[1].address(other, gateway=True)] == ["10.1.0.1", "10.1.0.1"]
    assert two[1].address(other, "10.1.0.1", gateway=True) == "10.1.0.1"
    with pytest.raises(Conflict, match=r"gateway '10.1.0.1' on the other hosts, and this host asks for '10.1.0.9'"):
        two[1].address(other, "10.1.0.9", gateway=True)
    two[0].release(one, "10.1.0.1")
    assert leases(shared) == {"10.1.0.1": ""}


def test_two_hosts_exhaust_a_pool_exactly(two: Two) -> None:
    """Of the 14 addresses of a /28, 13 are handed out once each; then both hosts refuse with a sentence."""
    pools = [host.pool("10.1.0.0/28") for host in two]
    for host, pool in zip(two, pools, strict=True):
        host.address(pool, gateway=True)
    taken = [two[number % 2].address(pools[number % 2]) for number in range(13)]
    assert sorted(taken) == sorted(f"10.1.0.{number}" for number in range(2, 15))
    for host, pool in zip(two, pools, strict=True):
        left = "no free address is left in pool '10.1.0.0/28': 14 of 14 are taken"
        with pytest.raises(Exhausted, match=f"^no available addresses on this pool: {left}"):
            host.address(pool)
    two[0].release(pools[0], taken[0])
    assert two[1].address(pools[1]) == taken[0]


def test_many_at_once_get_different_addresses(shared: FakeClusterStore) -> None:
    """Sixty requests on three hosts at the same time get sixty different addresses."""
    hosts = [ClusterMember(shared, name) for name in "abc"]
    pools = [host.pool("10.1.0.0/26") for host in hosts]
    with ThreadPoolExecutor(20) as threads:
        got = list(threads.map(lambda n: hosts[n % 3].address(pools[n % 3]), range(60)))
    assert len(set(got)) == 60


def test_hosts_begin_apart(two: Two, shared: FakeClusterStore) -> None:
    """Hosts begin at random addresses, so that hosts which start together do not compete for the same ones."""
    pools = [host.pool("10.0.0.0/8") for host in two]
    two[0].address(pools[0])
    before = shared.asked
    two[1].address(pools[1])
    assert shared.asked - before == 2  # one reading, one writing


def test_a_range_is_each_host_s_own(two: Two) -> None:
    """--ip-range narrows what one host hands out of the pool that all share."""
    one, other = two[0].pool("10.1.0.0/24", "10.1.0.128/30"), two[1].pool("10.1.0.0/24", "10.1.0.64/30")
    assert {two[0].address(one) for _ in range(4)} == {f"10.1.0.{number}" for number in range(128, 132)}
    assert {two[1].address(other) for _ in range(4)} == {f"10.1.0.{number}" for number in range(64, 68)}


def test_a_taken_address_names_its_host(two: Two, shared: FakeClusterStore) -> None:
    """The error names the host that holds the address, and the cure if that host is dead."""
    one, other = (host.pool("10.1.0.0/24") for host in two)
    two[0].beat()
    two[0].address(one, "10.1.0.9", "web")
    with pytest.raises(Conflict, match=r"address '10.1.0.9' of network 'blue' is already in use by 'web' on host 'a'"):
        two[1].address(other, "10.1.0.9")
    shared.expire("id-a")
    with pytest.raises(Conflict, match=r"does not answer; if it is gone for good.*: pynet cluster forget a$"):
        two[1].address(other, "10.1.0.9")


def test_a_moved_address_is_free_at_once(two: Two) -> None:
    """An endpoint that is removed on one host can be made with the same address on another."""
    one, other = (host.pool("10.1.0.0/24") for host in two)
    assert two[0].address(one, "10.1.0.9") == "10.1.0.9"
    two[0].release(one, "10.1.0.9")
    assert two[1].address(other, "10.1.0.9") == "10.1.0.9"
    two[0].release(one, "10.1.0.9")
    assert leases(two[0].shared) == {"10.1.0.9": "id-b"}


def test_a_pool_goes_with_its_last_use(two: Two, shared: FakeClusterStore) -> None:
    """A pool stays as long as one host uses it; the last one removes it with its gateway and leases."""
    pools = [host.pool("10.1.0.0/24") for host in two]
    two[0].address(pools[0], gateway=True)
    two[0].address(pools[0])
    two[0].release_pool(pools[0])
    two[0].release_pool(pools[0])
    assert len(shared.list(Pool)) == 1
    two[1].release_pool(pools[1])
    assert list(shared.list(Pool)) == []
    assert leases(shared) == {}
    assert two[1].pool("10.3.0.0/24")


def test_a_pool_that_nobody_requested_is_not_known(two: Two) -> None:
    """An unknown pool id gives no address, whether it is another host's or nonsense; a release of it succeeds."""
    pool = two[0].pool("10.1.0.0/24")
    for unknown in (pool, "pynet-cluster/blue", "pynet-cluster"):
        with pytest.raises(NotFound, match="is not known"):
            two[1].address(unknown)
        two[1].release(unknown, "10.1.0.9")
        two[1].release_pool(unknown)


@pytest.mark.parametrize("wanted", ["10.9.0.1", "10.1.0.0", "10.1.0.255"])
def test_an_impossible_address_is_refused(two: Two, wanted: str) -> None:
    """An address that no container can have is refused before the cluster store is asked."""
    pool = two[0].pool("10.1.0.0/24")
    two[0].shared.away = True  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest):
        two[0].address(pool, wanted)


def test_nothing_is_handed_out_while_the_store_is_away(two: Two, shared: FakeClusterStore) -> None:
    """A join fails with the store's sentence, and leaves nothing in either store."""
    pool = two[0].pool("10.1.0.0/24")
    shared.away = True
    with pytest.raises(StoreAway, match="no endpoint answers"):
        two[0].address(pool)
    with pytest.raises(StoreAway, match="no endpoint answers"):
        two[0].pool(network="red")
    shared.away = False
    two[0].beat()
    assert leases(shared) == {}
    assert list(two[0].local.list(ClusterLease)) == []


def test_an_address_whose_reply_was_lost_is_taken_back(two: Two, shared: FakeClusterStore) -> None:
    """If the reply of a successful write is lost, that address is freed again, and no other one."""
    one, other = (host.pool("10.1.0.0/28") for host in two)
    two[1].address(other, "10.1.0.5")
    shared.lose_replies = 1
    with pytest.raises(StoreAway):
        two[0].address(one, "10.1.0.4")
    two[0].beat()
    assert leases(shared) == {"10.1.0.5": "id-b"}


def test_addresses_are_given_back_while_the_store_is_away(two: Two, shared: FakeClusterStore) -> None:
    """A container can be stopped, and a network removed, at any time; the cluster hears of it later."""
    one = two[0].pool("10.1.0.0/24")
    taken = two[0].address(one)
    shared.away = True
    two[0].release(one, taken)
    two[0].release_pool(one)
    assert list(two[0].local.list(PoolUse)) == []
    shared.away = False
    two[0].start()
    two[0].beat()
    assert leases(shared) == {}
    assert list(shared.list(Pool)) == []


def test_what_nobody_waits_for_is_given_back(two: Two, shared: FakeClusterStore) -> None:
    """A caller that hung up or was told that it failed gets neither an address nor a pool."""
    pool = two[0].pool("10.1.0.0/24")
    for work in (lambda: two[0].address(pool), lambda: two[0].pool("10.1.0.0/24")):
        with pytest.raises(Overdue):
            WorkerPool().run(work, gone=lambda: True)
    assert leases(shared) == {}
    assert [item.record.key for item in shared.list(PoolUse)] == [
        item.record.key for item in two[0].local.list(PoolUse)
    ]
    assert len(shared.list(PoolUse)) == 1


def test_what_the_engine_does_not_know_is_given_back(two: Two, shared: FakeClusterStore) -> None:
    """The collector gives back only leases that are unchanged since it saw them; the other host's stay."""
    pools = [host.pool("10.1.0.0/29") for host in two]
    lost, other = two[0].address(pools[0]), two[1].address(pools[1])
    seen = two[0].local.list(ClusterLease)[0]
    assert not two[0].addresses.forget(seen.record, seen.revision + 1)
    assert two[0].addresses.forget(seen.record, seen.revision)
    assert leases(shared) == {other: "id-b"}
    assert two[1].address(pools[1], lost) == lost

    use = two[0].local.list(PoolUse)[0]
    assert two[0].addresses.forget(use.record, use.revision)
    assert [item.record.host for item in shared.list(PoolUse)] == ["id-b"]
