"""The leases of this host's pools: each is one transaction that fails when somebody else took the address first."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from netlink.errors import KernelError
from plugin.errors import Busy, Conflict, Exhausted, PynetError
from plugin.interfaces import HostNetworks
from plugin.ipam.leases import Leased, LeaseTable
from plugin.ipam.sticky import FOREVER, Sticky, taken_text
from plugin.model.records import Lease, Pool
from plugin.protocol.messages import Address
from plugin.store.base import ABSENT, Change, Put, Remove, Store, StoreConflict, Versioned

ATTEMPTS = 16  # each failed one means that another host was faster


class LocalAddresses:
    """Leases addresses in ``store``; ``sticky`` keeps those of sticky pools for the containers that had them.

    ``host`` knows its own addresses: a subnet may be that of a LAN, in which the host is a machine, too.
    """

    def __init__(self, store: Store, sticky: Sticky, host: HostNetworks) -> None:
        self._store = store
        self._sticky = sticky
        self._host = host
        self._guard = threading.Lock()  # guards _tables
        self._tables: dict[str, LeaseTable] = {}

    def lease_any(self, pool: Pool, purpose: str, name: str) -> Address:
        """Lease the address that is kept for ``name``, or else a free one.

        Raises:
            Exhausted: every address of the pool is taken.
            Busy: other hosts took each address that was chosen.
        """
        kept = self._sticky.take_back(pool, name)
        if kept is not None:
            return kept
        table = self._table(pool)
        for free in self._sticky.expire(pool):
            table.free(free)
        for _ in range(ATTEMPTS):
            address = self._take(pool, table, first=purpose == "gateway")
            lease = Put(Lease(pool.id, address, purpose, name), ABSENT)
            try:
                self._store.transact(lease, *self._sticky.note(pool, name, address))
            except StoreConflict:
                table.drop(address)
            except PynetError:
                table.drop(address)
                raise
            else:
                table.settle(address)
                return address
        raise Busy(f"request an address of pool '{pool.subnet}': other hosts keep taking the one that was chosen")

    def lease_one(self, lease: Lease, pool: Pool) -> Address:
        """Lease the address that the user named; one that is kept for another container and not reserved is free.

        Raises:
            Conflict: the address is taken.
            Busy: it keeps being taken and given back.
        """
        expect = ABSENT
        for _ in range(ATTEMPTS):
            try:
                self._store.transact(Put(lease, expect), *self._sticky.note(pool, lease.name, lease.address))
            except StoreConflict:
                holder = self._store.get(Lease, lease.key)
                if holder is not None and not _may_take(holder.record, lease.name):
                    raise Conflict(taken_text(holder.record, pool)) from None
                expect = ABSENT if holder is None else holder.revision
                if holder is not None and holder.record.kept_until == FOREVER:
                    lease = replace(lease, name=holder.record.name)
            else:
                self._table(pool).settle(lease.address)
                return lease.address
        raise Busy(f"request address '{lease.address}': it keeps being taken and given back")

    def find(self, pool_id: str, address: Address) -> Versioned[Lease] | None:
        """Return the lease of an address, or None."""
        return self._store.get(Lease, Lease(pool_id, address).key)

    def release(self, pool_id: str, address: Address, revision: int | None = None) -> None:
        """Give an address back, unless its lease is not at ``revision`` any more: somebody else may have it by now."""
        for _ in range(ATTEMPTS):
            lease = self.find(pool_id, address)
            if lease is None:
                break
            if revision not in (None, lease.revision):
                return
            change = self._sticky.give_back(lease)
            try:
                self._store.transact(change)
            except StoreConflict:
                continue
            if isinstance(change, Put) and isinstance(change.record, Lease):
                self._sticky.kept(change.record)
                return
            break
        else:
            raise Busy(f"release address '{address}': it keeps being taken and given back")
        with self._guard:
            table = self._tables.get(pool_id)
        if table is not None:
            table.free(address)

    def reserve(self, pool: Pool, name: str, address: Address) -> bool:
        """Reserve an address for a name, also one that the name holds now; raises as ``Sticky.reserve``.

        Returns:
            Whether it was not reserved already.
        """
        for _ in range(ATTEMPTS):
            changes = self._sticky.reserve(pool, name, address)
            try:
                self._store.transact(*changes)
            except StoreConflict:
                continue
            self._table(pool).settle(address)
            return bool(changes)
        raise Busy(f"reserve address '{address}': it keeps being taken and given back")

    def unreserve(self, pool: Pool, name: str) -> Address:
        """End the reservation for a name and return its address, which a holder keeps; raises ``NotFound``."""
        for _ in range(ATTEMPTS):
            address, changes = self._sticky.unreserve(pool, name)
            try:
                self._store.transact(*changes)
            except StoreConflict:
                continue
            if self.find(pool.id, address) is None:
                self._table(pool).free(address)
            return address
        raise Busy(f"unreserve the address of '{name}': it keeps being taken and given back")

    def removals(self, pool_id: str) -> Sequence[Change]:
        """Return the changes that remove every lease of a pool."""
        leases = [Remove(Lease, stored.record.key) for stored in self._store.list(Lease, f"{pool_id}#")]
        return [*leases, *self._sticky.forget(pool_id)]

    def forget(self, pool_id: str) -> None:
        """Read the leases of a pool again before its next use."""
        with self._guard:
            self._tables.pop(pool_id, None)

    def _take(self, pool: Pool, table: LeaseTable, *, first: bool) -> Address:
        """Take a free address, or else the one that has been kept for longest; none of the host's but as a gateway."""
        while True:
            try:
                address = table.take(first=first)
                if first or not self._is_hosts(address):
                    return address
                table.settle(address)  # until the leases are read again
            except Exhausted:
                evicted = self._sticky.evict(pool)
                if evicted is None:
                    raise
                table.free(evicted)

    def _is_hosts(self, address: Address) -> bool:
        with suppress(KernelError):  # the built-in manager does not look either
            return self._host.has(address)
        return False

    def _table(self, pool: Pool) -> LeaseTable:
        with self._guard:
            return self._tables.setdefault(pool.id, LeaseTable(pool, partial(self._leased, pool.id)))

    def _leased(self, pool_id: str) -> Leased:
        return [(lease.record.address, lease.revision) for lease in self._store.list(Lease, f"{pool_id}#")]


def _may_take(lease: Lease, name: str) -> bool:
    """Return whether a container may have an address that has a lease; an engine before 29.0 sends no names."""
    return bool(lease.kept_until) and (lease.kept_until < FOREVER or name in {"", lease.name})
