"""Pools that hosts share: a network has one for each IP version, which exists as long as a host uses it.

Every change of the pools of a version writes their generation (``plugin.ipam.generation``) in the same transaction, so
that of two changes at once one fails: a pool cannot be removed while another host begins to use it.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network

from plugin.cluster.addresses.records import ClusterLease, PoolGateway, PoolUse
from plugin.errors import Busy, Conflict
from plugin.ipam.addresses import ATTEMPTS
from plugin.ipam.generation import PoolGeneration
from plugin.ipam.requests import bounds_inside
from plugin.model.records import Pool
from plugin.protocol.messages import Subnet
from plugin.store.base import ABSENT, CHUNK, Change, Put, Remove, SharedStore, StoreConflict, Versioned


@dataclass(frozen=True, slots=True)
class PoolRequest:
    """A host's request for a network's pool of an IP version: ``subnet``, or with None the one that exists."""

    network: str
    version: int
    subnet: Subnet | None = None
    length: int | None = None


Choose = Callable[[Sequence[Subnet], Subnet | None], Subnet]


class SharedPools:
    """The pools in the cluster store."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store

    def use(self, wish: PoolRequest, make_use: Callable[[Subnet], PoolUse], choose: Choose) -> PoolUse:
        """Return a use of the pool that ``wish`` names; the pool is made when there is none.

        ``choose`` is given the subnets of all pools of the version and the one chosen last, and returns a new one.

        Raises:
            Conflict: the network has another subnet; the text names both.
        """
        for _ in range(ATTEMPTS):
            generation, revision, pools = self._read(wish.version)
            known = next((pool for pool in pools if network_of(pool.id) == wish.network), None)
            if known is not None:
                _check_same(wish, known.subnet)
                subnet, last = known.subnet, generation.last
            else:
                subnet = wish.subnet or choose([pool.subnet for pool in pools], generation.last)
                last = generation.last if wish.subnet else subnet
            use = make_use(subnet)
            changes: list[Change] = [Put(use, ABSENT)]
            if known is None:
                leftovers = self._leases(use.pool_id)  # of a pool that was removed while a lease was written
                if self._read(wish.version)[1] != revision:
                    continue  # another host made the pool meanwhile, and these are its leases
                self._remove_all(leftovers)
                changes += [Put(Pool(use.pool_id, subnet), ABSENT), Remove(PoolGateway, use.pool_id)]
            if self._commit(PoolGeneration(wish.version, generation.number + 1, last), revision, changes):
                return use
        raise Busy(f"reserve a pool of network '{wish.network}': other hosts keep changing the pools")

    def drop_unused(self, pool_id: str | None = None) -> None:
        """Remove the pool, or every pool, that no host uses any more, with its leases.

        Of all pools, also remove the gateways' leases of pools that are gone: a host that is killed leaves them.
        """
        leases = (
            self._store.list(ClusterLease) if pool_id is None else []
        )  # before the pools, so that the pool of each lease is listed too
        prefix = f"{pool_id}@" if pool_id else ""
        used = {item.record.pool_id for item in self._store.list(PoolUse, prefix)}
        used |= {key.partition("@")[0] for key in self._store.set_aside(PoolUse, prefix)}
        for item in self._store.list(Pool, pool_id or ""):
            if item.record.id not in used and pool_id in (None, item.record.id):
                self._drop(item.record)
        there = {item.record.id for item in self._store.list(Pool)} if leases else set()
        there |= set(self._store.set_aside(Pool))
        self._remove_all([item for item in leases if not item.record.host and item.record.pool_id not in there])

    def _drop(self, pool: Pool) -> None:
        for _ in range(ATTEMPTS):
            generation, revision, pools = self._read(pool.subnet.version)
            uses = self._store.list(PoolUse, f"{pool.id}@")
            if pool not in pools or uses or self._store.set_aside(PoolUse, f"{pool.id}@"):
                return
            leases = self._leases(pool.id)
            changes = [Remove(Pool, pool.id), Remove(PoolGateway, pool.id)]
            if self._commit(
                PoolGeneration(pool.subnet.version, generation.number + 1, generation.last), revision, changes
            ):
                self._remove_all(leases)  # only those listed before: the pool may be in use again by now
                return

    def _read(self, version: int) -> tuple[PoolGeneration, int, Sequence[Pool]]:
        found = self._store.get(PoolGeneration, PoolGeneration(version).key)
        generation, revision = (PoolGeneration(version), ABSENT) if found is None else (found.record, found.revision)
        pools = [item.record for item in self._store.list(Pool)]
        pools += [Pool(key, subnet) for key in self._store.set_aside(Pool) if (subnet := _subnet_of(key))]
        return generation, revision, [pool for pool in pools if pool.subnet.version == version]

    def _commit(self, generation: PoolGeneration, revision: int, changes: Iterable[Change]) -> bool:
        try:
            self._store.transact(Put(generation, revision), *changes)
        except StoreConflict:
            return False
        return True

    def _leases(self, pool_id: str) -> Sequence[Versioned[ClusterLease]]:
        return self._store.list(ClusterLease, f"{pool_id}#")

    def _remove_all(self, leases: Sequence[Versioned[ClusterLease]]) -> None:
        for start in range(0, len(leases), CHUNK):
            with suppress(StoreConflict):
                part = leases[start : start + CHUNK]
                self._store.transact(*(Remove(ClusterLease, item.record.key, item.revision) for item in part))


def shared_pool_id(network: str, subnet: Subnet) -> str:
    """Return the id of a pool in the cluster store."""
    return f"{network}/{subnet}"


def network_of(pool_id: str) -> str:
    """Return the name of the network that a pool belongs to."""
    return pool_id.partition("/")[0]


def _subnet_of(pool_id: str) -> Subnet | None:
    """Return the subnet of a pool whose record cannot be read: the subnet is taken all the same."""
    with suppress(ValueError):
        return ip_network(pool_id.partition("/")[2])
    return None


def _check_same(wish: PoolRequest, known: Subnet) -> None:
    asked = f"subnet '{wish.subnet}'" if wish.subnet else f"a subnet of size /{wish.length}"
    if wish.subnet not in (None, known) or wish.length not in (None, known.prefixlen):
        raise Conflict(
            f"network '{wish.network}' has subnet '{known}' on the other hosts, and this host asks for {asked}"
        )


def check_clear(network: str, subnet: Subnet, in_use: Iterable[Subnet]) -> None:
    """Check that a subnet that other hosts chose is free on this one.

    Otherwise the engine would refuse it, ask again, get the same one, and so on without end
    (moby daemon/libnetwork/network.go).

    Raises:
        Conflict: the host uses a part of it; the text names both.
    """
    for other in in_use:
        if other.version == subnet.version and (bounds_inside(other, subnet) or bounds_inside(subnet, other)):
            raise Conflict(
                f"network '{network}' has subnet '{subnet}' on the other hosts, and this host uses '{other}' already"
            )
