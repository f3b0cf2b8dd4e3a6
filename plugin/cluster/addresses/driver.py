"""The address manager of networks that span hosts: ``--ipam-opt pynet.network=NAME``.

No host owns a range. An address belongs to the host that wrote its lease into the cluster store, and the store accepts
only one writer. So no address is given out twice, whatever happens: a partition, a wrong clock, a host that dies before
it has answered. A host writes its own leases to its own store too, after the cluster store and before the reply;
``plugin.cluster.addresses.repair`` mends records that are in only one of the two.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from netlink.deadline import end_of, within
from netlink.errors import KernelError
from plugin.cluster.addresses.lease_tables import LeaseTables
from plugin.cluster.addresses.leasing import Leasing
from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.pools import PoolRequest, SharedPools, check_clear, shared_pool_id
from plugin.cluster.addresses.records import SPACE, ClusterLease, PendingWrite, PoolGateway, PoolUse
from plugin.cluster.addresses.releases import Releases
from plugin.cluster.addresses.repair import AddressRepair, Stores
from plugin.errors import Conflict, Failed, NotFound, PynetError
from plugin.interfaces import HostNetworks
from plugin.ipam.allocator import check_usable
from plugin.ipam.requests import ENDPOINT_NAME, check_request, names_subnet, purpose_of, with_prefix
from plugin.ipam.supernets import Supernet, WantedPool, choose_pool, networks_of
from plugin.options.pool import SharedPoolSettings
from plugin.protocol import messages as m
from plugin.request.execution import commit
from plugin.request.retries import RetryQueue
from plugin.request.undo import Undo
from plugin.store.base import Put, Remove
from plugin.store.remote.patience import REQUEST

SETTLE = 2.0  # seconds for the kernel to delete a bridge


@dataclass(frozen=True, slots=True)
class ThisHost:
    """The host's id, the networks it uses, the source of new pools, and the removals that are tried again."""

    id: str
    networks: HostNetworks
    supernets: Sequence[Supernet]
    retries: RetryQueue


class ClusterAddresses:
    """Serves the pools and addresses of shared networks in the name of ``host``."""

    def __init__(self, stores: Stores, outbox: Outbox, host: ThisHost) -> None:
        self._local = stores.local
        self._host = host.id
        self._host_networks = host.networks
        self._supernets = host.supernets
        self._pools = SharedPools(stores.shared)
        tables = LeaseTables(stores.shared)
        self._releases = Releases(stores, outbox, tables, host.retries)
        self._leasing = Leasing(stores, tables, self._releases)
        self.repair = AddressRepair(stores, host.id, outbox)

    # --- pools ---------------------------------------------------------------------------------

    def request_pool(self, request: m.RequestPool) -> m.PoolReply:
        """Use the network's pool, which is made when no host uses it yet.

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

        def choose(taken: Sequence[m.Subnet], last: m.Subnet | None) -> m.Subnet:
            return choose_pool(self._supernets, WantedPool(version, length), taken, in_use, last)

        def make_use(subnet: m.Subnet) -> PoolUse:
            if not named:
                _wait_until_clear(network, subnet, self._host_networks)
            return PoolUse(shared_pool_id(network, subnet), self._host, token, subnet, request.sub_pool)

        with within(REQUEST), self.repair.attempt(token, PoolUse):
            use = self._pools.use(wish, make_use, choose)
            self._note(use, token)
        with Undo() as undo:
            undo.push(self.release_pool, m.ReleasePool(_engine_id(use)))
            commit()
        return m.PoolReply(pool_id=_engine_id(use), pool=use.subnet)

    def _note(self, use: PoolUse, token: str) -> None:
        """Write a use to this host's store too; a use in the cluster store alone would count all the same."""
        try:
            self._local.transact(Put(use), Remove(PendingWrite, token))
        except PynetError:
            self._releases.disown(use)
            raise

    def release_pool(self, request: m.ReleasePool) -> None:
        """End a use of a pool, and remove the pool after its last use. A use that is not known has ended already."""
        use = self._use(request.pool_id)
        if use is not None:
            self._releases.end(use)

    def _use(self, engine_id: str) -> PoolUse | None:
        space, _, rest = engine_id.partition("/")
        pool_id, _, token = rest.rpartition("/")
        if space != SPACE:
            return None
        found = self._local.get(PoolUse, f"{pool_id}@{self._host}/{token}")
        return None if found is None else found.record

    # --- addresses -----------------------------------------------------------------------------

    def request_address(self, request: m.RequestAddress) -> m.AddressReply:
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
        with within(REQUEST):
            if purpose == "gateway":
                address = self._leasing.gateway(use, lease, request.address)
                self._local.transact(Put(PoolGateway(use.pool_id, address)))  # needed when the others forget this host
            else:
                with self.repair.attempt(lease.token, ClusterLease):
                    lease_it = self._leasing.lease_any if request.address is None else self._leasing.lease_one
                    address = lease_it(use, lease)
        with Undo() as undo:
            undo.push(self.release_address, m.ReleaseAddress(request.pool_id, address))
            commit()
        return m.AddressReply(with_prefix(address, use.subnet))

    def release_address(self, request: m.ReleaseAddress) -> None:
        """Give an address back. One that this host does not hold is given back already; the gateway stays."""
        use = self._use(request.pool_id)
        if use is None or request.address is None:
            return
        held = self._local.get(ClusterLease, f"{use.pool_id}#{request.address}")
        if held is not None:
            self._releases.free(held.record)

    def forget(self, record: PoolUse | ClusterLease, revision: int) -> bool:
        """Give back a use of a pool or an address that this host has at ``revision``; return whether there was one."""
        found = self._local.get(type(record), record.key)
        if found is None or found.revision != revision:
            return False
        if isinstance(record, PoolUse):
            self._releases.end(record)
        else:
            self._releases.free(record)
        return True


def _engine_id(use: PoolUse) -> str:
    """Return the pool id for the engine, which sends it back with every request."""
    return f"{SPACE}/{use.pool_id}/{use.token}"


def _used_by(host: HostNetworks, within: Sequence[m.Subnet]) -> Sequence[m.Subnet]:
    try:
        return host.in_use(within)
    except KernelError as error:
        raise Failed(f"look for a free pool: {error}") from error


def _wait_until_clear(network: str, subnet: m.Subnet, host: HostNetworks) -> None:
    """Wait until the kernel has deleted the bridge of a network that was removed a moment ago."""
    until = end_of(SETTLE)
    while True:
        try:
            return check_clear(network, subnet, _used_by(host, [subnet]))
        except Conflict:
            if time.monotonic() >= until:
                raise
            time.sleep(0.1)
