"""A host that died half-way, was cut off, or was forgotten by mistake comes back."""

from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

import pytest

from plugin.cluster.addresses.records import ClusterLease, PendingWrite, PoolUse
from plugin.cluster.addresses.repair import ONE_BY_ONE
from plugin.cluster.forget import forget_host
from plugin.cluster.hosts.records import ClusterHost, KnownHost
from plugin.errors import Conflict, InvalidRequest, NotFound
from plugin.model.records import Pool
from plugin.store.base import Change, Put, R, Remove, Store, StoreAway, Versioned
from tests.unit.cluster.parts import ClusterMember, FakeClusterStore, leases


@pytest.fixture
def shared() -> FakeClusterStore:
    return FakeClusterStore()


class Dead(BaseException):
    """The process is gone: no code runs after this, not even a clean-up."""


class Mortal:
    """Lets a host die after its ``step``-th write to either store."""

    def __init__(self, local: Store, shared: FakeClusterStore, step: int) -> None:
        self._stores = local, shared
        self._left = step
        for store in self._stores:
            store.transact = self._counting(store.transact)  # type: ignore[method-assign]

    def _counting(self, write: Callable[..., None]) -> Callable[..., None]:
        def transact(*changes: Change) -> None:
            if self._left <= 0:
                raise Dead
            self._left -= 1
            write(*changes)
            if self._left <= 0:
                raise Dead

        return transact

    def bury(self) -> None:
        """Let the next process write again."""
        for store in self._stores:
            del store.transact


def test_what_was_never_answered_is_removed(shared: FakeClusterStore) -> None:
    """A host that died between its two stores left a lease and a use; its pending writes name both for removal."""
    host = ClusterMember(shared)
    shared.transact(Put(PoolUse("blue/10.1.0.0/24", "id-a", "u", ip_network("10.1.0.0/24"))))
    shared.transact(Put(ClusterLease("blue/10.1.0.0/24", ip_address("10.1.0.7"), "id-a", "t")))
    host.local.transact(Put(PendingWrite("t", "cluster-lease")), Put(PendingWrite("u", "cluster-pool-use")))
    host.beat()
    assert leases(shared) == {}
    assert not [
        *shared.list(PoolUse),
        *shared.list(Pool),
        *host.local.list(PendingWrite),
        *host.local.list(ClusterLease),
    ]


def test_leases_of_a_pool_that_is_gone_go_too(shared: FakeClusterStore) -> None:
    """A gateway's lease is removed if its pool is gone, as after a death between the two removals; others' stay."""
    host = ClusterMember(shared)
    held = host.address(host.pool("10.2.0.0/24"))
    shared.transact(Put(ClusterLease("gone/10.1.0.0/24", ip_address("10.1.0.1"), "", "t", "gateway")))
    host.beat()

    assert leases(shared) == {held: "id-a"}


@pytest.mark.parametrize("step", range(1, 6))
def test_a_host_that_dies_at_any_write_holds_nothing(shared: FakeClusterStore, step: int) -> None:
    """Whichever write was the last, a start brings both stores in line, and the address is free or known."""
    host = ClusterMember(shared)
    pool = host.pool("10.1.0.0/29")
    mortal = Mortal(host.local, shared, step)
    with pytest.raises(Dead):
        host.address(pool)
        host.address(pool)
    mortal.bury()
    host.start()
    host.beat()
    assert {str(item.record.address) for item in host.local.list(ClusterLease)} == set(leases(shared))
    assert list(host.local.list(PendingWrite)) == []


def test_a_pool_whose_reply_was_lost_is_given_back(shared: FakeClusterStore) -> None:
    """A pool use whose reply was lost is given back when the cluster store can be asked; until then it is noted."""
    host = ClusterMember(shared)
    host.beat()
    shared.lose_replies = 1
    with pytest.raises(StoreAway):
        host.pool("10.1.0.0/24")
    assert len(shared.list(PoolUse)) == 1
    host.addresses.repair()
    assert not [*shared.list(PoolUse), *shared.list(Pool), *host.local.list(PendingWrite)]


def test_a_host_that_lost_its_store_notes_what_it_holds(shared: FakeClusterStore) -> None:
    """A host that lost its store learns its leases from the cluster store, and its containers can release them."""
    host = ClusterMember(shared)
    pool = host.pool("10.1.0.0/24")
    host.address(pool, "10.1.0.7")
    again = ClusterMember(shared)
    again.beat()
    assert leases(again.local) == {"10.1.0.7": "id-a"}
    again.release(pool, "10.1.0.7")
    again.release_pool(pool)
    assert not [*shared.list(ClusterLease), *shared.list(PoolUse), *shared.list(Pool)]


def test_other_hosts_records_are_left_alone(shared: FakeClusterStore) -> None:
    """A repair on one host removes nothing of another's."""
    one, other = ClusterMember(shared, "a"), ClusterMember(shared, "b")
    pool = other.pool("10.1.0.0/24")
    other.address(pool, "10.1.0.9")
    one.beat()
    assert leases(shared) == {"10.1.0.9": "id-b"}


def test_what_is_being_written_is_left_alone(shared: FakeClusterStore) -> None:
    """A lease that is only in the cluster store, because its request is still in flight, is left alone."""
    host = ClusterMember(shared)
    with host.addresses.repair.attempt("t", ClusterLease):
        shared.transact(Put(ClusterLease("blue/10.1.0.0/24", ip_address("10.1.0.7"), "id-a", "t")))
        host.addresses.repair()
        assert leases(shared) == {"10.1.0.7": "id-a"}
        assert leases(host.local) == {}


def test_a_dead_host_keeps_its_addresses_until_it_is_forgotten(shared: FakeClusterStore) -> None:
    """Addresses of a dead host are not handed out, however long it is dead; after ``forget`` all are free."""
    dead, other = ClusterMember(shared, "a"), ClusterMember(shared, "b")
    one, two = dead.pool("10.1.0.0/29"), other.pool("10.1.0.0/29")
    dead.beat()
    held = {dead.address(one) for _ in range(5)}
    shared.expire("id-a")
    assert other.address(two) not in held
    freed = {kind: number for kind, number in forget_host(shared, "a").items() if number}
    assert freed == {"cluster-lease": 5, "cluster-pool-use": 1, "cluster-known-host": 1}
    assert {other.address(two) for _ in range(5)} == held


def test_a_living_host_is_not_forgotten(shared: FakeClusterStore) -> None:
    """A living host cannot be forgotten, as its containers use their addresses; the refusal says what to do."""
    host = ClusterMember(shared, "a")
    host.beat()
    with pytest.raises(Conflict, match=r"forget host 'a': it is alive, it renewed its lease 3 s ago; stop pynet there"):
        forget_host(shared, "a")


def test_forgetting_names_one_host(shared: FakeClusterStore) -> None:
    """An unknown and an ambiguous name are refused with the list of hosts; an id works."""
    for identity, name in (("1111", "a"), ("2222", "a"), ("3333", "c")):
        shared.transact(Put(KnownHost(identity, name, ip_address("192.0.2.1"))))
    with pytest.raises(NotFound, match=r"'x': it is not known; hosts are: a \(1111\), a \(2222\), c \(3333\)"):
        forget_host(shared, "x")
    with pytest.raises(InvalidRequest, match="several have that name: 1111, 2222"):
        forget_host(shared, "a")
    forget_host(shared, "22")
    assert [item.record.id for item in shared.list(KnownHost)] == ["1111", "3333"]


def test_a_forgotten_host_claims_what_is_still_free(shared: FakeClusterStore) -> None:
    """A forgotten host that was only cut off writes its leases again, and names the one that another host got."""
    host, other = ClusterMember(shared, "a"), ClusterMember(shared, "b")
    one, two = host.pool("10.1.0.0/24"), other.pool("10.1.0.0/24")
    host.beat()
    host.address(one, "10.1.0.8")
    host.address(one, "10.1.0.9")
    shared.expire("id-a")
    forget_host(shared, "a")
    other.address(two, "10.1.0.9")
    host.start()
    host.beat()
    assert leases(shared) == {"10.1.0.8": "id-a", "10.1.0.9": "id-b"}
    assert {item.record.host for item in shared.list(PoolUse)} == {"id-a", "id-b"}
    assert shared.get(ClusterHost, "id-a") is not None


def test_a_forgotten_host_claims_the_gateway_again(shared: FakeClusterStore) -> None:
    """A forgotten host claims its gateway again, as its bridge still has that address and no container may get it."""
    host, other = ClusterMember(shared, "a"), ClusterMember(shared, "b")
    pool = host.pool("10.1.0.0/29")
    host.address(pool, "10.1.0.6", gateway=True)
    host.beat()
    shared.expire("id-a")
    forget_host(shared, "a")
    other.addresses.repair()
    host.start()
    host.beat()

    assert {host.address(pool) for _ in range(5)} == {f"10.1.0.{number}" for number in range(1, 6)}
    assert other.address(other.pool(), gateway=True) == "10.1.0.6"


def test_a_pool_that_became_another_is_said(shared: FakeClusterStore) -> None:
    """A host that comes back to a network with a new subnet logs that, leaves it alone, and repairs the rest."""
    host, other = ClusterMember(shared, "a"), ClusterMember(shared, "b")
    host.pool("10.1.0.0/24")
    shared.transact(Put(KnownHost("id-a", "a", host.me.address)))
    forget_host(shared, "a")
    other.addresses.repair()
    other.pool("10.2.0.0/24")
    host.beat()
    assert [item.record.id for item in shared.list(Pool)] == ["blue/10.2.0.0/24"]
    assert host.membership.available


@pytest.mark.parametrize(("held", "listings"), [(3, 0), (ONE_BY_ONE + 1, 1)])
def test_a_host_that_is_back_reads_its_own_leases(shared: FakeClusterStore, held: int, listings: int) -> None:
    """Not those of others, unless its own are many; what the cluster store has lost of them is written again."""
    host, other = ClusterMember(shared, "a"), ClusterMember(shared, "b")
    host.beat()
    pool, theirs = host.pool("10.1.0.0/23"), other.pool()
    mine = {host.address(pool) for _ in range(held)}
    other.address(theirs)
    lost = next(item.record.key for item in shared.list(ClusterLease) if item.record.host == "id-a")
    shared.transact(Remove(ClusterLease, lost))
    listed, real = list[str](), shared.list

    def counted(kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        listed.append(kind.kind)
        return real(kind, prefix)

    shared.list = counted  # type: ignore[method-assign]
    host.upkeep.returned()
    host.beat()
    assert listed.count(ClusterLease.kind) == listings
    assert {address for address, of in leases(shared).items() if of == "id-a"} == mine
