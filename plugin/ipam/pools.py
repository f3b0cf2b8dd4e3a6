"""The pools of this host: reserved and released so that no two overlap, also when hosts share the store.

Every change of the pools of an IP version writes their generation (``plugin.ipam.generation``) in the same transaction,
which fails when another host changed them first. Then the pools are read again, otherwise never.
"""

from collections.abc import Callable, Sequence

from netlink.values import dataclass
from plugin.errors import Busy, Conflict, Exhausted, NotFound
from plugin.interfaces import HostNetworks
from plugin.ipam.addresses import ATTEMPTS, LocalAddresses
from plugin.ipam.generation import PoolGeneration
from plugin.ipam.host_subnets import HostSubnets
from plugin.ipam.known_pools import KnownPools
from plugin.ipam.requests import names_subnet
from plugin.ipam.supernets import Supernet, WantedPool, choose_pool
from plugin.model.records import Pool
from plugin.protocol.messages import RequestPool, Subnet
from plugin.request.locks import LockName, Locks
from plugin.store.base import ABSENT, Change, Put, Remove, Store, StoreConflict


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The pools of an IP version at ``generation``, whose record is at ``revision``."""

    generation: PoolGeneration
    revision: int
    pools: KnownPools


class LocalPools:
    """Reserves pools in ``store``; ``supernets`` are the source of pools for which the user names no subnet."""

    def __init__(
        self, store: Store, host: HostNetworks, supernets: Sequence[Supernet], addresses: LocalAddresses
    ) -> None:
        self._store = store
        self._host = HostSubnets(host, supernets)
        self._supernets = supernets
        self._addresses = addresses
        self._locks = Locks()  # one for the pools of each IP version
        self._known: dict[int, _Snapshot] = {}  # by IP version, guarded by its lock

    def find(self, pool_id: str) -> Pool:
        """Return a pool; raises ``NotFound`` when there is none with this id."""
        stored = self._store.get(Pool, pool_id)
        if stored is None:
            raise NotFound(f"request an address: pool '{pool_id}' is not known")
        return stored.record

    def reserve(self, space: str, request: RequestPool, keep: int) -> Pool:
        """Reserve the pool that ``request`` names, or any free one; ``keep`` are the seconds of a sticky address.

        Raises:
            Conflict: the subnet overlaps another pool of pynet.
            Exhausted: the supernets hold no free pool.
        """
        if request.pool is None or not names_subnet(request):
            return self._reserve_any(space, request, keep)
        wish = Pool(_pool_id(space, request.pool, request.sub_pool), request.pool, request.sub_pool, keep)
        return self._add(request.pool.version, lambda known: _check_overlap(known, wish))

    def release(self, pool_id: str, revision: int | None = None) -> None:
        """Release a pool with all its leases, unless it is not at ``revision`` any more."""
        stored = self._store.get(Pool, pool_id)
        if stored is None:
            return
        version = stored.record.subnet.version
        with self._locks.hold(_lock_name(version)):
            for _ in range(ATTEMPTS):
                known = self._read(version)
                stored = self._store.get(Pool, pool_id)
                if pool_id not in known.pools or stored is None or revision not in (None, stored.revision):
                    break
                removals = [Remove(Pool, pool_id), *self._addresses.removals(pool_id)]
                if self._commit(known, known.generation.last, removals):
                    known.pools.remove(pool_id)
                    self._remove_late_leases(pool_id)
                    break
            else:
                raise Busy(f"release pool '{pool_id}': other hosts keep changing the pools")
        self._addresses.forget(pool_id)

    def _remove_late_leases(self, pool_id: str) -> None:
        """Remove leases made since they were listed; a request that leases later finds that the pool is gone."""
        late = self._addresses.removals(pool_id)
        if late:
            self._store.transact(*late)

    def _reserve_any(self, space: str, request: RequestPool, keep: int) -> Pool:
        if request.pool is None:
            wanted = WantedPool(6 if request.v6 else 4)
        else:
            wanted = WantedPool(request.pool.version, request.pool.prefixlen)
        self._host.hear()

        def choose(known: _Snapshot) -> Pool:
            subnet = self._host.find(wanted, known.pools.taken, known.generation.last)
            if subnet is None:
                raise Exhausted("no pool is left beside networks that the host had")
            return Pool(_pool_id(space, subnet, None), subnet, keep=keep)

        try:
            return self._add(wanted.version, choose, chosen=True)
        except Exhausted:
            listed = self._host.list_again()

        def choose_again(known: _Snapshot) -> Pool:
            subnet = choose_pool(self._supernets, wanted, known.pools.subnets(), listed, known.generation.last)
            return Pool(_pool_id(space, subnet, None), subnet, keep=keep)

        return self._add(wanted.version, choose_again, chosen=True)

    def _add(self, version: int, decide: Callable[[_Snapshot], Pool], *, chosen: bool = False) -> Pool:
        with self._locks.hold(_lock_name(version)):
            for _ in range(ATTEMPTS):
                known = self._read(version)
                pool = decide(known)
                # A lease requested while its pool was released may be left over; the new pool must not inherit it.
                changes = [*self._addresses.removals(pool.id), Put(pool, ABSENT)]
                last = pool.subnet if chosen else known.generation.last
                if self._commit(known, last, changes):
                    known.pools.add(pool)
                    self._addresses.forget(pool.id)
                    return pool
        raise Busy("reserve a pool: other hosts keep changing the pools")

    def _read(self, version: int) -> _Snapshot:
        found = self._store.get(PoolGeneration, PoolGeneration(version).key)
        generation, revision = (PoolGeneration(version), ABSENT) if found is None else (found.record, found.revision)
        known = self._known.get(version)
        if known is not None and known.generation.number == generation.number:
            return _Snapshot(generation, revision, known.pools)
        pools = [stored.record for stored in self._store.list(Pool)]
        return _Snapshot(generation, revision, KnownPools(pool for pool in pools if pool.subnet.version == version))

    def _commit(self, known: _Snapshot, last: Subnet | None, changes: Sequence[Change]) -> bool:
        """Write ``changes``; return False if the pools changed since ``known`` was read.

        If it succeeds the caller makes the same change to ``known``, which is the latest state then.
        """
        version = known.generation.version
        generation = PoolGeneration(version, known.generation.number + 1, last)
        self._known.pop(version, None)
        try:
            self._store.transact(Put(generation, known.revision), *changes)
        except StoreConflict:
            return False
        self._known[version] = _Snapshot(generation, ABSENT, known.pools)
        return True


def _check_overlap(known: _Snapshot, wish: Pool) -> Pool:
    for pool in known.pools.overlapping(wish.subnet):
        if pool.subnet == wish.subnet:
            raise Conflict(f"subnet '{wish.subnet}' is already in use by another network, as pool '{pool.id}'")
        raise Conflict(f"subnet '{wish.subnet}' overlaps '{pool.subnet}' of another network, pool '{pool.id}'")
    return wish


def _pool_id(space: str, subnet: Subnet, sub_pool: Subnet | None) -> str:
    return f"{space}/{subnet}" if sub_pool is None else f"{space}/{subnet}/{sub_pool}"


def _lock_name(version: int) -> LockName:
    return LockName(f"the list of IPv{version} pools")
