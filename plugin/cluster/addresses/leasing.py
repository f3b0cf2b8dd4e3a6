"""Leases addresses in the cluster store, which accepts only one writer of each lease."""

from dataclasses import replace

from plugin.cluster.addresses.lease_tables import LeaseTables
from plugin.cluster.addresses.pools import network_of
from plugin.cluster.addresses.records import ClusterLease, PendingWrite, PoolGateway, PoolUse
from plugin.cluster.addresses.releases import Releases
from plugin.cluster.addresses.repair import Stores
from plugin.cluster.hosts.records import ClusterHost, KnownHost
from plugin.errors import Busy, Conflict, PynetError
from plugin.protocol.messages import Address
from plugin.store.base import ABSENT, Put, Remove, StoreConflict


class Leasing:
    """Writes leases to the cluster store and then to this host's own, and the gateways of pools."""

    def __init__(self, stores: Stores, tables: LeaseTables, releases: Releases) -> None:
        self._local = stores.local
        self._shared = stores.shared
        self._tables = tables
        self._releases = releases

    def gateway(self, use: PoolUse, lease: ClusterLease, wish: Address | None) -> Address:
        """Return the pool's gateway, which the first host chooses; each host is the gateway of its own containers."""
        while True:
            known = self._shared.get(PoolGateway, use.pool_id)
            if known is not None:
                if wish not in (None, known.record.address):
                    raise Conflict(
                        f"network '{network_of(use.pool_id)}' has gateway '{known.record.address}' on the other "
                        f"hosts, and this host asks for '{wish}'"
                    )
                return known.record.address
            address = wish or self._tables.of(use).take(first=True)
            mine = _at(lease, address)
            try:
                self._shared.transact(Put(PoolGateway(use.pool_id, address), ABSENT), Put(mine, ABSENT))
            except StoreConflict:
                self._tables.of(use).drop(address)
                if wish is not None and self._shared.get(PoolGateway, use.pool_id) is None:
                    self._refuse_taken(mine)
            except PynetError:
                self._tables.of(use).drop(address)
                raise
            else:
                self._tables.of(use).settle(address)

    def lease_any(self, use: PoolUse, lease: ClusterLease) -> Address:
        """Lease any free address. It ends, because each failure means that another host took an address."""
        table = self._tables.of(use)
        while True:
            mine = _at(lease, table.take(first=False))
            try:
                self._write(mine)
            except StoreConflict:
                table.drop(mine.address)
            except PynetError:
                table.drop(mine.address)
                raise
            else:
                table.settle(mine.address)
                return mine.address

    def lease_one(self, use: PoolUse, lease: ClusterLease) -> Address:
        """Lease the address in ``lease``; raises ``Conflict`` when it is taken."""
        try:
            self._write(lease)
        except StoreConflict:
            self._refuse_taken(lease)
        self._tables.of(use).settle(lease.address)
        return lease.address

    def _write(self, lease: ClusterLease) -> None:
        """Write a lease to the cluster store and then to this host's own; undo it when either fails."""
        try:
            self._shared.transact(Put(lease, ABSENT))
        except StoreConflict:
            raise
        except PynetError:
            self._releases.disown(lease)
            raise
        try:
            self._local.transact(Put(lease), Remove(PendingWrite, lease.token))
        except PynetError:
            self._releases.disown(lease)
            raise

    def _refuse_taken(self, lease: ClusterLease) -> None:
        found = self._shared.get(ClusterLease, lease.key)
        if found is None:
            raise Busy(f"request address '{lease.address}': it keeps being taken and given back")
        pool = f"of network '{network_of(lease.pool_id)}'"
        holder = found.record
        if holder.purpose == "gateway":
            raise Conflict(f"address '{lease.address}' {pool} is already in use by the gateway")
        by = f" by '{holder.name}'" if holder.name else ""
        known = self._shared.get(KnownHost, holder.host)
        name = known.record.name if known else holder.host
        if self._shared.get(ClusterHost, holder.host) is None:
            raise Conflict(
                f"address '{lease.address}' {pool} is in use{by} on host '{name}', which does not answer; if it is "
                f"gone for good, free its addresses with: pynet cluster forget {name}"
            )
        raise Conflict(f"address '{lease.address}' {pool} is already in use{by} on host '{name}'")


def _at(lease: ClusterLease, address: Address) -> ClusterLease:
    return replace(lease, address=address)
