"""The address manager: answers the engine's requests for the pools and addresses of this host.

Every change is one transaction that fails when somebody else was first, so that hosts which share a store cannot hand
out the same address twice. See ``docs/addresses.md``.
"""

from collections.abc import Sequence

from plugin.errors import PynetError
from plugin.interfaces import HostNetworks
from plugin.ipam.addresses import LocalAddresses
from plugin.ipam.allocator import check_usable
from plugin.ipam.pools import LocalPools
from plugin.ipam.requests import ENDPOINT_NAME, GLOBAL_SPACE, LOCAL_SPACE, check_request, purpose_of, with_prefix
from plugin.ipam.sticky import Sticky
from plugin.ipam.supernets import Supernet
from plugin.model.records import Lease, Pool
from plugin.options.pool import PoolSettings, keep_seconds
from plugin.protocol import messages as m
from plugin.protocol.messages import Address
from plugin.request.execution import commit
from plugin.request.retries import Owed, RetryQueue
from plugin.request.undo import Undo
from plugin.store.base import Store


class Ipam:
    """Implements ``plugin.protocol.api.IpamDriver``. Every method may raise ``Failed`` or ``Busy`` of the store.

    Pools without a given subnet come from ``supernets``, see ``plugin.ipam.supernets.parse_supernets``.
    """

    def __init__(
        self,
        store: Store,
        host: HostNetworks,
        supernets: Sequence[Supernet],
        retries: RetryQueue | None = None,
        sticky: Sticky | None = None,
    ) -> None:
        self._store = store
        self._retries = retries or RetryQueue()
        self._addresses = LocalAddresses(store, sticky or Sticky(store), host)
        self._pools = LocalPools(store, host, supernets, self._addresses)

    def get_capabilities(self) -> m.IpamCapabilities:
        """Return that neither MAC addresses nor a replay at start are needed: the store remembers."""
        return m.IpamCapabilities()

    def get_default_address_spaces(self) -> m.AddressSpaces:
        """Return the names of the two address spaces."""
        return m.AddressSpaces(local=LOCAL_SPACE, global_=GLOBAL_SPACE)

    def request_pool(self, request: m.RequestPool) -> m.PoolReply:
        """Reserve a pool; without a subnet, or with one of address zero, any free one.

        Raises:
            InvalidRequest: the space, the sub pool or an option is not acceptable.
            Conflict: the subnet overlaps another pool of pynet.
            Exhausted: the supernets hold no free pool.
        """
        space = check_request(request)
        keep = keep_seconds(PoolSettings.read(request.options))
        pool = self._pools.reserve(space, request, keep)
        with Undo() as undo:
            undo.push(self.release_pool, m.ReleasePool(pool.id))
            commit()
        return m.PoolReply(pool_id=pool.id, pool=pool.subnet)

    def release_pool(self, request: m.ReleasePool) -> None:
        """Give a pool back, with all its leases; one that is not known is given back already."""
        stored = self._store.get(Pool, request.pool_id)
        if stored is None:
            return
        try:
            self._pools.release(request.pool_id)
        except PynetError:
            # The engine never asks again; the revision tells this pool from one that is requested meanwhile.
            self._retries.add(
                Owed("pool", request.pool_id), lambda: self._pools.release(request.pool_id, stored.revision)
            )
            raise

    def request_address(self, request: m.RequestAddress) -> m.AddressReply:
        """Reserve an address; durable when it returns.

        Raises:
            NotFound: nobody requested the pool.
            InvalidRequest: the address is not in the pool or has a meaning of its own there.
            Conflict: the address is taken.
            Exhausted: every address of the pool is taken.
        """
        pool = self._pools.find(request.pool_id)
        purpose = purpose_of(request.options)
        name = request.options.get(ENDPOINT_NAME, "")
        if request.address is None:
            address = self._addresses.lease_any(pool, purpose, name)
        else:
            check_usable(pool.subnet, request.address)
            address = self._addresses.lease_one(Lease(pool.id, request.address, purpose, name), pool)
        with Undo() as undo:
            undo.push(self.release_address, m.ReleaseAddress(pool.id, address))
            self._pools.find(pool.id)  # it may have been released meanwhile, after its leases had been listed
            commit()
        return m.AddressReply(with_prefix(address, pool.subnet))

    def release_address(self, request: m.ReleaseAddress) -> None:
        """Give an address back; one that nobody holds is given back already."""
        if request.address is None:
            return
        pool_id, address = request.pool_id, request.address
        try:
            self._addresses.release(pool_id, address)
        except PynetError:
            # The engine never asks again; the revision tells this lease from one that somebody else gets meanwhile.
            held = self._addresses.find(pool_id, address)
            if held is not None:
                owed = held.revision
                self._retries.add(
                    Owed("lease", held.record.key), lambda: self._addresses.release(pool_id, address, owed)
                )
            raise

    def reserve(self, pool: Pool, name: str, address: Address) -> None:
        """Reserve an address for the container of a name; the same request again changes nothing.

        Raises:
            InvalidRequest: the address is not in the pool or has a meaning of its own there.
            Conflict: it is taken, or the name has another one.
            NotFound: the pool is gone.
        """
        check_usable(pool.subnet, address)
        with Undo() as undo:
            if self._addresses.reserve(pool, name, address):
                undo.push(self._addresses.unreserve, pool, name)
            self._pools.find(pool.id)  # it may have been released meanwhile
            commit()

    def unreserve(self, pool: Pool, name: str) -> Address:
        """Let others have the address that is reserved for a name, and return it; raises ``NotFound`` without one."""
        return self._addresses.unreserve(pool, name)

    def forget(self, record: Pool | Lease, revision: int) -> bool:
        """Release a pool or an address that is at ``revision``; return whether there was one."""
        stored = self._store.get(type(record), record.key)
        if stored is None or stored.revision != revision:
            return False
        if isinstance(record, Pool):
            self._pools.release(record.id, revision)
        else:
            self._addresses.release(record.pool_id, record.address, revision)
        return True
