"""Gives back the pools and addresses of shared networks: at once, or later if this host's own store fails.

The engine never asks again, and the repair writes every record of this host's store to the cluster store again. Each
use and each lease has a token, so that a late removal never hits a newer one.
"""

from contextlib import suppress

from netlink.deadline import within
from plugin.cluster.addresses.lease_tables import LeaseTables
from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.pools import SharedPools
from plugin.cluster.addresses.records import ClusterLease, PoolGateway, PoolUse
from plugin.cluster.addresses.repair import Stores
from plugin.errors import PynetError
from plugin.request.retries import Owed, RetryQueue
from plugin.store.base import Change, Remove, StoreConflict
from plugin.store.remote.patience import REQUEST


class Releases:
    """Used for what the engine gives back, what the garbage collector finds, and what could not be given out."""

    def __init__(self, stores: Stores, outbox: Outbox, tables: LeaseTables, retries: RetryQueue) -> None:
        self._local = stores.local
        self._pools = SharedPools(stores.shared)
        self._outbox = outbox
        self._tables = tables
        self._retries = retries

    def end(self, use: PoolUse) -> None:
        """End a use of a pool, and remove the pool after its last use.

        Raises:
            PynetError: this host's own store fails; the use is ended when the store works again.
        """
        try:
            self._end(use)
        except PynetError:
            self._retries.add(Owed("shared pool", use.key), lambda: self._end(use))
            raise

    def free(self, lease: ClusterLease) -> None:
        """Give an address back; raises as ``end`` does."""
        try:
            self._free(lease)
        except PynetError:
            self._retries.add(_name(lease), lambda: self._free(lease))
            raise

    def disown(self, record: PoolUse | ClusterLease) -> None:
        """Take back a record that was written to the cluster store but could not be written to this host's own."""
        try:
            self._outbox.take_back(record)
        except PynetError:
            self._retries.add(_name(record), lambda: self._outbox.take_back(record))

    def _end(self, use: PoolUse) -> None:
        if self._local.get(PoolUse, use.key) is None:
            return
        leases = [item.record for item in self._local.list(ClusterLease, f"{use.pool_id}#")]
        changes: list[Change] = [Remove(PoolUse, use.key)]
        if len(self._local.list(PoolUse, f"{use.pool_id}@")) > 1:
            leases = []  # another network of this host may hold them
        else:
            changes.append(Remove(PoolGateway, use.pool_id))
        changes += [Remove(ClusterLease, lease.key) for lease in leases]
        if self._outbox.take_back(*leases, use, also=changes):
            with suppress(PynetError), within(REQUEST):  # otherwise a later repair does it, on this host or another
                self._pools.drop_unused(use.pool_id)
        self._tables.forget(use)

    def _free(self, lease: ClusterLease) -> None:
        held = self._local.get(ClusterLease, lease.key)
        if held is None or held.record != lease:
            return
        with suppress(StoreConflict):  # it was given back meanwhile
            self._outbox.take_back(lease, also=[Remove(ClusterLease, lease.key, held.revision)])
            self._tables.free(lease)


def _name(record: PoolUse | ClusterLease) -> Owed:
    return Owed(record.kind, f"{record.key} {record.token}")
