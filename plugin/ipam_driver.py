"""The address manager: what each verb of Docker's IpamDriver protocol means.

Every pool and every address is a record of its own, written only if nobody else has written it; so two requests, or
two hosts on one store, can never hand out the same one. State is durable, hence no replay is asked of the engine.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, ip_interface

from netlink.errors import KernelError
from plugin.errors import Conflict, Exhausted, Failed, InvalidRequest, NotFound, PynetError
from plugin.ipam.allocator import Span, check_static, dynamic_span, next_free
from plugin.ipam.supernets import Supernet, free_pool
from plugin.locks import Locks
from plugin.messages import (
    Address,
    AddressReply,
    AddressSpaces,
    InterfaceAddress,
    IpamCapabilities,
    PoolReply,
    ReleaseAddress,
    ReleasePool,
    RequestAddress,
    RequestPool,
    Subnet,
)
from plugin.model import Lease, Pool
from plugin.options import read_options
from plugin.ports import HostNetworks
from plugin.store.base import ABSENT, Put, Remove, Store, StoreConflict

SPACES = AddressSpaces(local="pynet-local", global_="pynet-global")
REQUEST_TYPE = "RequestAddressType"
GATEWAY = "com.docker.network.gateway"
ENDPOINT_NAME = "com.docker.network.endpoint.name"  # since 29.0
ATTEMPTS = 5  # at an address that another writer of the store takes first


@dataclass
class _Leases:
    """What one pool has given out; ``cursor`` is the last dynamic address."""

    pool: Pool
    span: Span
    cursor: int
    taken: set[int] = field(default_factory=set)


class Ipam:
    """Serves the IpamDriver protocol (``plugin.api.IpamDriver``)."""

    def __init__(self, store: Store, host: HostNetworks, supernets: Sequence[Supernet]) -> None:
        self._store = store
        self._host = host
        self._supernets = supernets
        self._locks = Locks()
        self._guard = threading.Lock()  # guards _pools; a pool's own entry is guarded by its lock
        self._pools: dict[str, _Leases] = {}
        self._cursors: dict[int, Subnet] = {}  # last pool of each family, under the lock "pools"

    def get_capabilities(self) -> IpamCapabilities:
        """Neither MAC addresses nor replays are needed."""
        return IpamCapabilities()

    def get_default_address_spaces(self) -> AddressSpaces:
        """Two names, because equal ones switch the engine's check for overlaps off."""
        return SPACES

    # --- pools ---------------------------------------------------------------------------------

    def request_pool(self, request: RequestPool) -> PoolReply:
        """Reserve a pool: the one that is named, or the next free one.

        Raises:
            InvalidRequest: the sub-pool does not lie in the pool, or an option is unknown.
            Conflict: the pool overlaps another one of pynet's.
            Exhausted: no free pool is left.
        """
        read_options((), request.options)
        _check_request(request)
        with self._locks.hold("pools"):
            pools = [item.record for item in self._store.list(Pool)]
            wanted = request.pool
            if wanted is not None and int(wanted.network_address):
                subnet = wanted
                _refuse_overlap(subnet, pools)
            else:
                subnet = self._free_pool(6 if request.v6 else 4, wanted.prefixlen if wanted else None, pools)
            pool = Pool(_pool_id(request.address_space, subnet, request.sub_pool), subnet, request.sub_pool)
            self._store.transact(Put(pool, ABSENT))
        return PoolReply(pool.id, pool.subnet)

    def release_pool(self, request: ReleasePool) -> None:
        """Give a pool and whatever addresses of it are left back; one that nobody knows is free already."""
        with self._locks.hold("pools", f"pool {request.pool_id}"):
            self._forget(request.pool_id)
            leases = self._store.list(Lease, f"{request.pool_id}#")
            self._store.transact(Remove(Pool, request.pool_id), *(Remove(Lease, lease.record.key) for lease in leases))

    # --- addresses -----------------------------------------------------------------------------

    def request_address(self, request: RequestAddress) -> AddressReply:
        """Lease an address: the one that is named, or the next free one.

        Raises:
            NotFound: nobody requested that pool.
            InvalidRequest: the address lies outside of the pool or is reserved.
            Conflict: the address is in use.
            Exhausted: no address is free.
        """
        purpose = "gateway" if request.options.get(REQUEST_TYPE) == GATEWAY else "endpoint"
        name = request.options.get(ENDPOINT_NAME, "")
        with self._locks.hold(f"pool {request.pool_id}"), self._leases(request.pool_id) as leases:
            for _ in range(ATTEMPTS):
                number = _choose(leases, request.address, purpose)
                lease = Lease(request.pool_id, _address(leases.pool.subnet, number), purpose, name)
                try:
                    self._store.transact(Put(lease, ABSENT))
                except StoreConflict:
                    leases.taken.add(number)  # another host was faster
                    continue
                leases.taken.add(number)
                leases.cursor = number if request.address is None else leases.cursor
                return AddressReply(_with_length(lease.address, leases.pool.subnet))
        raise Failed(f"lease an address of pool '{request.pool_id}': others took every one that was tried")

    def release_address(self, request: ReleaseAddress) -> None:
        """Give an address back; one that was never leased is free already."""
        if request.address is None:
            return
        with self._locks.hold(f"pool {request.pool_id}"):
            self._store.transact(Remove(Lease, f"{request.pool_id}#{request.address}"))
            with self._guard:
                known = self._pools.get(request.pool_id)
            if known is not None:
                known.taken.discard(int(request.address))

    # --- shared by the verbs -------------------------------------------------------------------

    def _free_pool(self, version: int, length: int | None, pools: Sequence[Pool]) -> Subnet:
        try:
            in_use = [*self._host.in_use(), *(pool.subnet for pool in pools)]
        except KernelError as error:
            raise Failed(f"look for a free pool: {error}") from error
        subnet = free_pool(
            self._supernets, version, length, in_use, self._cursors.get(version) or _newest(pools, version)
        )
        self._cursors[version] = subnet
        return subnet

    @contextmanager
    def _leases(self, pool_id: str) -> Iterator[_Leases]:
        """Yield what is known of a pool; when the store fails nothing is known any more."""
        with self._guard:
            known = self._pools.get(pool_id)
        if known is None:
            known = self._load(pool_id)
            with self._guard:
                self._pools[pool_id] = known
        try:
            yield known
        except (Conflict, Exhausted, InvalidRequest):
            raise
        except PynetError:
            self._forget(pool_id)
            raise

    def _load(self, pool_id: str) -> _Leases:
        known = self._store.get(Pool, pool_id)
        if known is None:
            raise NotFound(f"pool '{pool_id}' is not known to pynet")
        span = dynamic_span(known.record.subnet, known.record.sub_pool)
        leases = self._store.list(Lease, f"{pool_id}#")
        newest = max(leases, key=lambda lease: lease.revision, default=None)
        cursor = int(newest.record.address) if newest else span.first - 1
        return _Leases(known.record, span, cursor, {int(lease.record.address) for lease in leases})

    def _forget(self, pool_id: str) -> None:
        with self._guard:
            self._pools.pop(pool_id, None)


def _choose(leases: _Leases, address: Address | None, purpose: str) -> int:
    subnet = leases.pool.subnet
    if address is not None:
        check_static(subnet, address)
        if int(address) in leases.taken:
            raise Conflict(f"address {address} of pool {subnet} is already in use")
        return int(address)
    cursor = leases.span.first - 1 if purpose == "gateway" else leases.cursor
    number = next_free(leases.span, leases.taken, cursor, len(leases.taken))
    if number is None:
        part = f" in {leases.pool.sub_pool}" if leases.pool.sub_pool else ""
        raise Exhausted(f"pool {subnet} has no free address{part}: all {leases.span.size} are in use")
    return number


def _check_request(request: RequestPool) -> None:
    pool, sub_pool = request.pool, request.sub_pool
    if sub_pool is not None and (pool is None or not int(pool.network_address)):
        raise InvalidRequest(f"range {sub_pool} needs a subnet that it lies in ('--ip-range' goes with '--subnet')")
    if pool is not None and pool.version != (6 if request.v6 else 4):
        raise InvalidRequest(f"subnet {pool} is not of IPv{6 if request.v6 else 4}")
    if pool is not None and pool.prefixlen == 0:
        raise InvalidRequest(f"subnet {pool} is every address there is")
    if pool is not None and sub_pool is not None and not _lies_in(sub_pool, pool):
        raise InvalidRequest(f"range {sub_pool} does not lie in subnet {pool}")


def _lies_in(inner: Subnet, outer: Subnet) -> bool:
    same = inner.version == outer.version and inner.prefixlen >= outer.prefixlen
    return same and inner.network_address in outer


def _refuse_overlap(subnet: Subnet, pools: Sequence[Pool]) -> None:
    for other in pools:
        if other.subnet.version == subnet.version and other.subnet.overlaps(subnet):
            raise Conflict(f"subnet {subnet} overlaps pool {other.subnet}, which another network has")


def _newest(pools: Sequence[Pool], version: int) -> Subnet | None:
    """Return a pool to go on behind after a restart: the highest one, as pools are given out upwards."""
    family = [pool.subnet for pool in pools if pool.subnet.version == version]
    return max(family, key=lambda subnet: int(subnet.network_address), default=None)


def _pool_id(space: str, subnet: Subnet, sub_pool: Subnet | None) -> str:
    return "/".join([space or SPACES.local, str(subnet), *([str(sub_pool)] if sub_pool else [])])


def _address(subnet: Subnet, number: int) -> Address:
    return IPv4Address(number) if isinstance(subnet, IPv4Network) else IPv6Address(number)


def _with_length(address: Address, subnet: Subnet) -> InterfaceAddress:
    interface: IPv4Interface | IPv6Interface = ip_interface((address, subnet.prefixlen))
    return interface
