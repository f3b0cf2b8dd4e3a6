"""Caches of the taken addresses of shared pools, so that the cluster store is not read for each request."""

import random
import threading
from contextlib import suppress
from functools import partial
from ipaddress import ip_address

from plugin.cluster.addresses.records import ClusterLease, PoolUse
from plugin.ipam.allocator import usable
from plugin.ipam.leases import Leased, LeaseTable
from plugin.model.records import Pool
from plugin.protocol.messages import Address
from plugin.store.base import ClusterStore


class LeaseTables:
    """A table for each use of a pool, read from the cluster store at its first use."""

    def __init__(self, shared: ClusterStore) -> None:
        self._shared = shared
        self._guard = threading.Lock()  # guards _tables
        self._tables: dict[str, LeaseTable] = {}

    def of(self, use: PoolUse) -> LeaseTable:
        """Return the table of ``use``."""
        pool = Pool(use.pool_id, use.subnet, use.sub_pool)
        with self._guard:
            known = self._tables.get(use.key)
            if known is None:
                known = LeaseTable(pool, partial(self._leased, pool), partial(_anywhere, pool), shared=True)
                self._tables[use.key] = known
            return known

    def free(self, lease: ClusterLease) -> None:
        """Note in all tables of its pool that the address of ``lease`` is free."""
        with self._guard:
            tables = [table for key, table in self._tables.items() if key.startswith(f"{lease.pool_id}@")]
        for table in tables:
            table.free(lease.address)

    def forget(self, use: PoolUse) -> None:
        """Drop the table of ``use``, which has ended."""
        with self._guard:
            self._tables.pop(use.key, None)

    def _leased(self, pool: Pool) -> Leased:
        """Return the addresses of a pool that are taken, also those whose leases cannot be read."""
        found = [(item.record.address, item.revision) for item in self._shared.list(ClusterLease, f"{pool.id}#")]
        for key in self._shared.set_aside(ClusterLease, f"{pool.id}#"):
            with suppress(ValueError):
                address: Address = ip_address(key.partition("#")[2])
                if address in pool.subnet:
                    found.append((address, 0))
        return found


def _anywhere(pool: Pool, _: Leased) -> int:
    """Begin the search at a random address, so that hosts which search at the same time do not collide."""
    first, last = usable(pool.subnet, pool.sub_pool)
    return random.randint(first, max(first, last)) - 1  # noqa: S311 - not a secret
