"""The pools of an IP version in memory, so that a request neither lists them nor compares itself with each."""

from collections.abc import Iterable

from plugin.ipam.intervals import Intervals
from plugin.ipam.subnet_index import SubnetIndex
from plugin.ipam.supernets import bounds
from plugin.model.records import Pool
from plugin.protocol.messages import Subnet


class KnownPools:
    """Pools that do not overlap; ``taken`` are their addresses as numbers. No locks."""

    def __init__(self, pools: Iterable[Pool]) -> None:
        self.taken = Intervals()
        self._by_id: dict[str, Pool] = {}
        self._index = SubnetIndex()
        for pool in pools:
            self.add(pool)

    def __contains__(self, pool_id: str) -> bool:
        return pool_id in self._by_id

    def add(self, pool: Pool) -> None:
        """Note that there is ``pool``."""
        self._by_id[pool.id] = pool
        self._index.add(pool.subnet, pool.id)
        self.taken.add(*bounds(pool.subnet))

    def remove(self, pool_id: str) -> None:
        """Note that a pool is gone."""
        subnet = self._by_id.pop(pool_id).subnet
        self._index.remove(subnet, pool_id)
        self.taken.discard(*bounds(subnet))

    def overlapping(self, subnet: Subnet) -> list[Pool]:
        """Return the pools that overlap ``subnet``."""
        return [self._by_id[pool_id] for pool_id in self._index.overlapping(subnet)]

    def subnets(self) -> list[Subnet]:
        """Return the subnets of all pools."""
        return [pool.subnet for pool in self._by_id.values()]
