"""The address manager of networks that span hosts: ``--ipam-opt pynet.network=NAME``.

No host owns a range. An address belongs to whoever wrote its lease into the cluster store, which accepts one writer and
no second; so neither a partition nor a wrong clock nor a host that dies half-way hands one out twice. This host notes
its own leases in its own store too, after the cluster store and before the reply: what stands in one of the two only is
put right by ``plugin.cluster.addresses.repair``.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from netlink.errors import KernelError
from plugin.cluster.addresses.lease_tables import LeaseTables
from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.pools import PoolRequest, SharedPools, check_clear, network_of, shared_pool_id
from plugin.cluster.addresses.records import ClusterLease, PendingWrite, PoolGateway, PoolUse
from plugin.cluster.addresses.repair import Repair, Stores
from plugin.cluster.addresses.returns import Returns
from plugin.cluster.hosts.records import ClusterHost, KnownHost
from plugin.errors import Busy, Conflict, Failed, NotFound, PynetError
from plugin.interfaces import HostNetworks
from plugin.ipam.allocator import check_usable
from plugin.ipam.requests import ENDPOINT_NAME, check_request, names_subnet, purpose_of, with_prefix
from plugin.ipam.supernets import Supernet, WantedPool, choose_pool, networks_of
from plugin.options.pool import SharedPoolSettings
from plugin.protocol.messages import (
    Address,
    AddressReply,
    PoolReply,
    ReleaseAddress,
    ReleasePool,
    RequestAddress,
    RequestPool,
    Subnet,
)
from plugin.request.execution import commit
from plugin.request.retries import RetryQueue
from plugin.request.undo import Undo
from plugin.store.base import ABSENT, Put, Remove, StoreConflict
from plugin.store.remote.patience import deadline, within

SPACE = "pynet-cluster"  # begins the ids of pools that the cluster shares
PATIENCE = 4.0  # seconds for a request: a join that cannot reach the cluster store fails within five
SETTLE = 2.0  # seconds for the kernel to delete a bridge


@dataclass(frozen=True, slots=True)
class ThisHost:
    """The host's id, the networks that it has beside pynet's, where new pools come from, and what it owes."""

    id: str
    networks: HostNetworks
    supernets: Sequence[Supernet]
    debts: RetryQueue


class ClusterAddresses:
    """Serves the pools and addresses of shared networks in the name of ``host``."""

    def __init__(self, stores: Stores, outbox: Outbox, host: ThisHost) -> None:
        self._local = stores.local
        self._shared = stores.shared
        self._host = host.id
        self._host_networks = host.networks
        self._supernets = host.supernets
        self._pools = SharedPools(stores.shared)
        self._tables = LeaseTables(stores.shared)
        self._returns = Returns(stores, outbox, self._tables, host.debts)
        self.repair = Repair(stores, host.id, outbox)

    # --- pools ---------------------------------------------------------------------------------

    def request_pool(self, request: RequestPool) -> PoolReply:
        """Use the network's pool, which is made when no host has one.

        Raises:
            InvalidRequest: the range or an option is not acceptable.
            Conflict: the network has another subnet, or this host uses some of it.
            Exhausted: the supernets hold no free pool.
        """
        check_request(request)
        network = SharedPoolSettings.read(request.options).network
        named, token = names_subnet(request), secrets.token_hex(4)
        version = request.pool.version if request.pool else 6 if request.v6 else 4
        in_use = _used_by(self._host_networks, networks_of(self._supernets, version))
        length = request.pool.prefixlen if request.pool and not named else None
        wish = PoolRequest(network, version, request.pool if named else None, length)

        def choose(taken: Sequence[Subnet], last: Subnet | None) -> Subnet:
            return choose_pool(self._supernets, WantedPool(version, length), taken, in_use, last)

        def make_use(subnet: Subnet) -> PoolUse:
            if not named:
                _wait_until_clear(network, subnet, self._host_networks)
            return PoolUse(shared_pool_id(network, subnet), self._host, token, subnet, request.sub_pool)

        with within(PATIENCE), self.repair.attempt(token, PoolUse):
            use = self._pools.use(wish, make_use, choose)
            self._note(use, token)
        with Undo() as undo:
            undo.push(self.release_pool, ReleasePool(_engine_id(use)))
            commit()
        return PoolReply(pool_id=_engine_id(use), pool=use.subnet)

    def _note(self, use: PoolUse, token: str) -> None:
        """Write a use to this host's store too; what stands in the cluster's alone would be taken for real."""
        try:
            self._local.transact(Put(use), Remove(PendingWrite, token))
        except PynetError:
            self._returns.disown(use)
            raise

    def release_pool(self, request: ReleasePool) -> None:
        """End a use of a pool; the last one takes the pool along. One that is not known has ended already."""
        use = self._use(request.pool_id)
        if use is not None:
            self._returns.end(use)

    def _use(self, engine_id: str) -> PoolUse | None:
        space, _, rest = engine_id.partition("/")
        pool_id, _, token = rest.rpartition("/")
        if space != SPACE:
            return None
        found = self._local.get(PoolUse, f"{pool_id}@{self._host}/{token}")
        return None if found is None else found.record

    # --- addresses -----------------------------------------------------------------------------

    def request_address(self, request: RequestAddress) -> AddressReply:
        """Reserve an address for the whole cluster; durable in both stores when it returns.

        Raises:
            NotFound: this host did not request the pool.
            InvalidRequest: the address is not in the pool or has a meaning of its own there.
            Conflict: the address is taken, or the network has another gateway.
            Exhausted: every address of the pool is taken.
        """
        use = self._use(request.pool_id)
        if use is None:
            raise NotFound(f"request an address: pool '{request.pool_id}' is not known")
        if request.address is not None:
            check_usable(use.subnet, request.address)
        purpose = purpose_of(request.options)
        lease = ClusterLease(
            use.pool_id,
            request.address or use.subnet.network_address,
            "" if purpose == "gateway" else self._host,
            secrets.token_hex(4),
            purpose,
            request.options.get(ENDPOINT_NAME, ""),
        )
        with within(PATIENCE):
            if purpose == "gateway":
                address = self._gateway(use, lease, request.address)
                self._local.transact(Put(PoolGateway(use.pool_id, address)))  # for when the others forget this host
            else:
                with self.repair.attempt(lease.token, ClusterLease):
                    lease_it = self._lease_any if request.address is None else self._lease_one
                    address = lease_it(use, lease)
        with Undo() as undo:
            undo.push(self.release_address, ReleaseAddress(request.pool_id, address))
            commit()
        return AddressReply(with_prefix(address, use.subnet))

    def release_address(self, request: ReleaseAddress) -> None:
        """Give an address back; one that this host does not hold is given back already, the gateway stays."""
        use = self._use(request.pool_id)
        if use is None or request.address is None:
            return
        held = self._local.get(ClusterLease, f"{use.pool_id}#{request.address}")
        if held is not None:
            self._returns.free(held.record)

    def forget(self, record: PoolUse | ClusterLease, revision: int) -> bool:
        """Give back the use of a pool, or an address, that stands at ``revision`` here; say whether there was one."""
        found = self._local.get(type(record), record.key)
        if found is None or found.revision != revision:
            return False
        if isinstance(record, PoolUse):
            self._returns.end(record)
        else:
            self._returns.free(record)
        return True

    def _gateway(self, use: PoolUse, lease: ClusterLease, wish: Address | None) -> Address:
        """Return the pool's gateway, which the first host chooses; every host is the gateway of its own containers."""
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

    def _lease_any(self, use: PoolUse, lease: ClusterLease) -> Address:
        """Lease any free address; each failure means that another host got one, so that the end is near."""
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

    def _lease_one(self, use: PoolUse, lease: ClusterLease) -> Address:
        try:
            self._write(lease)
        except StoreConflict:
            self._refuse_taken(lease)
        self._tables.of(use).settle(lease.address)
        return lease.address

    def _write(self, lease: ClusterLease) -> None:
        """Write a lease to the cluster store and then to this host's; take back what may have been written."""
        try:
            self._shared.transact(Put(lease, ABSENT))
        except StoreConflict:
            raise
        except PynetError:
            self._returns.disown(lease)
            raise
        try:
            self._local.transact(Put(lease), Remove(PendingWrite, lease.token))
        except PynetError:
            self._returns.disown(lease)
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


def _engine_id(use: PoolUse) -> str:
    """Return the pool id for the engine, which gives it back with every request."""
    return f"{SPACE}/{use.pool_id}/{use.token}"


def _at(lease: ClusterLease, address: Address) -> ClusterLease:
    return replace(lease, address=address)


def _used_by(host: HostNetworks, within: Sequence[Subnet]) -> Sequence[Subnet]:
    try:
        return host.in_use(within)
    except KernelError as error:
        raise Failed(f"look for a free pool: {error}") from error


def _wait_until_clear(network: str, subnet: Subnet, host: HostNetworks) -> None:
    """Wait for the bridge of a network that was removed a moment ago, which the kernel is still deleting."""
    until = deadline(SETTLE)
    while True:
        try:
            return check_clear(network, subnet, _used_by(host, [subnet]))
        except Conflict:
            if time.monotonic() >= until:
                raise
            time.sleep(0.1)
