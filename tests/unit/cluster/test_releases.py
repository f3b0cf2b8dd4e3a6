"""Releases that come while this host's own disk is full: the engine never repeats them."""

from ipaddress import ip_address

import pytest

from plugin.cluster.addresses.records import ClusterLease, PendingWrite, PoolUse
from plugin.errors import Failed
from plugin.model.records import Pool
from plugin.store.base import Change, Put
from plugin.store.memory import MemoryStore
from tests.unit.cluster.parts import ClusterMember, FakeClusterStore, leases


class Disk(MemoryStore):
    """Takes no write while it is ``full``."""

    full = False

    def transact(self, *changes: Change) -> None:
        if self.full:
            raise Failed("write store: no space left on device")
        super().transact(*changes)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def host(disk: Disk) -> ClusterMember:
    return ClusterMember(FakeClusterStore(), local=disk)


def test_an_address_is_given_back_when_there_is_room(host: ClusterMember, disk: Disk) -> None:
    """A released address is given back as soon as there is room, without a restart or another host."""
    pool = host.pool("10.1.0.0/24")
    taken = host.address(pool)
    disk.full = True
    with pytest.raises(Failed, match="no space left"):
        host.release(pool, taken)
    assert host.retries.run() == 1
    disk.full = False
    assert host.retries.run() == 0
    assert leases(host.shared) == leases(disk) == {}
    assert host.address(pool, taken) == taken


def test_a_pool_is_given_back_when_there_is_room(host: ClusterMember, disk: Disk) -> None:
    """A released pool is given back with its leases as soon as there is room, also if the collector released it."""
    pool = host.pool("10.1.0.0/24")
    host.address(pool)
    disk.full = True
    with pytest.raises(Failed, match="no space left"):
        host.release_pool(pool)
    disk.full = False
    assert host.retries.run() == 0
    assert not [*host.shared.list(ClusterLease), *host.shared.list(PoolUse), *host.shared.list(Pool)]
    assert not [*disk.list(ClusterLease), *disk.list(PoolUse)]


def test_what_is_owed_meets_no_newer_lease(host: ClusterMember, disk: Disk) -> None:
    """A pending release meets no newer lease, although another container has the address by now."""
    pool = host.pool("10.1.0.0/24")
    taken = host.address(pool)
    disk.full = True
    with pytest.raises(Failed, match="no space left"):
        host.release(pool, taken)
    disk.full = False
    host.release(pool, taken)
    host.address(pool, taken)

    assert host.retries.run() == 0
    assert leases(host.shared) == leases(disk) == {taken: "id-a"}


@pytest.mark.parametrize("what", ["pool", "address"])
def test_what_could_not_be_noted_is_taken_back_when_there_is_room(host: ClusterMember, disk: Disk, what: str) -> None:
    """If the disk is full between the two stores, the address is taken back when there is room."""
    pool = host.pool("10.1.0.0/24")
    before = [*host.shared.list(ClusterLease), *host.shared.list(PoolUse)]
    write = host.shared.transact

    def fill(*changes: Change) -> None:
        write(*changes)
        disk.full = disk.full or any(isinstance(change, Put) for change in changes)

    host.shared.transact = fill  # type: ignore[method-assign]
    with pytest.raises(Failed, match="no space left"):
        host.pool("10.1.0.0/24") if what == "pool" else host.address(pool)
    disk.full, host.shared.transact = False, write  # type: ignore[method-assign]
    assert host.retries.run() == 0
    assert [*host.shared.list(ClusterLease), *host.shared.list(PoolUse)] == before
    host.addresses.repair()
    assert not disk.list(PendingWrite)


def test_the_gateway_stays_with_its_pool(host: ClusterMember, disk: Disk) -> None:
    """Releasing a gateway does nothing, so a full disk does not matter."""
    pool = host.pool("10.1.0.0/24")
    gateway = host.address(pool, gateway=True)
    disk.full = True
    host.release(pool, gateway)
    assert leases(host.shared) == {str(ip_address(gateway)): ""}
