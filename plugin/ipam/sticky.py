"""Addresses that are kept for containers: in a sticky pool, a container that is made again gets the address it had.

The engine sends the name of the container from 29.0 on (moby daemon/libnetwork/network.go). A lease that is given back
stays in the store, with the time until which it is kept for that name. Until then another container gets the address
only if the pool has no other. In any pool, an address that is reserved for a name is kept without an end, and nobody
else gets it.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import ClassVar

from netlink.values import dataclass
from plugin.errors import Conflict, InvalidRequest, NotFound
from plugin.model.records import Lease, Pool
from plugin.options.network import NetworkSettings
from plugin.options.pool import keep_seconds
from plugin.protocol.messages import Address, CreateNetwork
from plugin.store.base import ABSENT, Change, Put, Remove, Store, StoreConflict, Versioned

SLACK = 64  # times that are over for other reasons may be remembered, before they are dropped
LIMITLESS = float("inf")
FOREVER = 2**53  # seconds since 1970, of a lease that is reserved and that nobody holds


@dataclass(frozen=True, slots=True)
class NamedAddress:
    """The address that a name had last, or that is ``reserved`` for it.

    It belongs to the name only while the lease has the same name.
    """

    kind: ClassVar[str] = "name"

    pool_id: str
    name: str
    address: Address
    reserved: bool = False

    @property
    def key(self) -> str:
        """Pool id and name, so that a prefix lists a pool's names."""
        return self.key_of(self.pool_id, self.name)

    @staticmethod
    def key_of(pool_id: str, name: str) -> str:
        """Return the key of a name."""
        return f"{pool_id}#{name}"


class _Waiting:
    """When each kept address of a pool expires; one that its owner took back may still be there."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, Address]] = []  # the first to expire first; of an address, only the latest counts
        self._most = SLACK

    def push(self, until: float, address: Address) -> None:
        """Note that ``address`` expires at ``until``."""
        heappush(self._heap, (until, address))
        if len(self._heap) > self._most:
            self._heap = sorted({address: (until, address) for until, address in sorted(self._heap)}.values())
            self._most = 2 * len(self._heap) + SLACK

    def pop(self, until: float) -> tuple[float, Address] | None:
        """Take the first address that expires at ``until`` or before, with its time."""
        return heappop(self._heap) if self._heap and self._heap[0][0] <= until else None


class Sticky:
    """Keeps addresses for names. Every method may raise ``Failed`` or ``Busy`` of the store."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock  # wall clock, because its times are stored and must survive a restart
        self._guard = threading.Lock()  # guards _waiting
        self._waiting: dict[str, _Waiting] = {}  # by pool id: a pool is read once, not for each request

    def take_back(self, pool: Pool, name: str) -> Address | None:
        """Lease the address that is kept for ``name`` again, durably, and return it; None when there is none."""
        if not ((pool.keep or pool.reserved) and name):
            return None
        named = self._store.get(NamedAddress, NamedAddress.key_of(pool.id, name))
        lease = self._store.get(Lease, Lease(pool.id, named.record.address).key) if named else None
        if lease is None or lease.record.name != name or not lease.record.kept_until:
            return None
        try:
            self._store.transact(Put(replace(lease.record, kept_until=0), lease.revision))
        except StoreConflict:
            return None
        return lease.record.address

    def note(self, pool: Pool, name: str, address: Address) -> Sequence[Change]:
        """Return the changes to write together with a new lease of ``name``."""
        if not (pool.keep and name) or (pool.reserved and self._is_reserved(pool, name)):
            return []
        return [Put(NamedAddress(pool.id, name, address))]

    def reserve(self, pool: Pool, name: str, address: Address) -> Sequence[Change]:
        """Return the changes that reserve ``address`` for ``name``, none if it is reserved for it already.

        Raises:
            Conflict: another address is reserved for the name, or another name has the address.
        """
        stored = self._store.get(Pool, pool.id)
        named = self._store.get(NamedAddress, NamedAddress.key_of(pool.id, name))
        lease = self._store.get(Lease, Lease(pool.id, address).key)
        if named is not None and named.record.reserved:
            if named.record.address == address:
                return []
            raise Conflict(f"address '{named.record.address}' is reserved for '{name}' already; unreserve it first")
        held = lease is not None and not lease.record.kept_until
        if lease is not None and (held or lease.record.kept_until == FOREVER) and lease.record.name != name:
            raise Conflict(taken_text(lease.record, pool))
        changes: list[Change] = [Put(NamedAddress(pool.id, name, address, reserved=True), _revision(named))]
        if not held:
            changes.append(Put(Lease(pool.id, address, name=name, kept_until=FOREVER), _revision(lease)))
        if stored is not None and not stored.record.reserved:
            changes.append(Put(replace(stored.record, reserved=True), stored.revision))
        return changes

    def unreserve(self, pool: Pool, name: str) -> tuple[Address, Sequence[Change]]:
        """Return the address that is reserved for ``name``, and the changes that end that; a holder keeps the address.

        Raises:
            NotFound: none is reserved for it.
        """
        named = self._store.get(NamedAddress, NamedAddress.key_of(pool.id, name))
        if named is None or not named.record.reserved:
            raise NotFound(f"no address of '{pool.subnet}' is reserved for '{name}'")
        lease = self._store.get(Lease, Lease(pool.id, named.record.address).key)
        if lease is not None and not lease.record.kept_until and pool.keep:
            return named.record.address, [Put(replace(named.record, reserved=False), named.revision)]
        free = [Remove(Lease, lease.record.key, lease.revision)] if lease and lease.record.kept_until else []
        return named.record.address, [Remove(NamedAddress, named.record.key, named.revision), *free]

    def give_back(self, lease: Versioned[Lease]) -> Change:
        """Return the change to write when ``lease`` is given back."""
        record = lease.record
        pool = self._store.get(Pool, record.pool_id) if record.name else None
        named = self._newest(record) if pool and (pool.record.keep or pool.record.reserved) else None
        if pool is None or named is None or not (pool.record.keep or named.reserved):
            return Remove(Lease, record.key, lease.revision)
        until = FOREVER if named.reserved else record.kept_until or int(self._clock()) + pool.record.keep
        return Put(replace(record, kept_until=until), lease.revision)

    def expire(self, pool: Pool) -> Sequence[Address]:
        """Free the addresses whose time is over, and return them."""
        return list(self._free(pool.id, until=self._clock())) if pool.keep else []

    def evict(self, pool: Pool) -> Address | None:
        """Free the address that expires first, and return it; None when none is kept."""
        return next(self._free(pool.id, until=LIMITLESS), None) if pool.keep else None

    def kept(self, lease: Lease) -> None:
        """Note that an address is kept, after ``lease`` was stored."""
        with self._guard:
            if lease.pool_id in self._waiting and lease.kept_until < FOREVER:
                self._waiting[lease.pool_id].push(lease.kept_until, lease.address)

    def forget(self, pool_id: str) -> Sequence[Change]:
        """Return the changes to write when a pool is given back."""
        with self._guard:
            self._waiting.pop(pool_id, None)
        return [Remove(NamedAddress, item.record.key) for item in self._store.list(NamedAddress, f"{pool_id}#")]

    def _free(self, pool_id: str, *, until: float) -> Iterator[Address]:
        """Remove kept leases that expire at ``until`` or before, the first one first, and yield their addresses."""
        while (first := self._next(pool_id, until)) is not None:
            try:
                lease = self._store.get(Lease, Lease(pool_id, first[1]).key)
                dropped = lease is not None and lease.record.kept_until == first[0] and self._drop(lease)
            except BaseException:
                with self._guard:
                    if pool_id in self._waiting:
                        self._waiting[pool_id].push(*first)
                raise
            if dropped:
                yield first[1]

    def _next(self, pool_id: str, until: float) -> tuple[float, Address] | None:
        with self._guard:
            waiting = self._waiting.get(pool_id)
            if waiting is None:
                leases = [item.record for item in self._store.list(Lease, f"{pool_id}#")]
                waiting = self._waiting[pool_id] = _Waiting()
                for lease in leases:
                    if 0 < lease.kept_until < FOREVER:
                        waiting.push(lease.kept_until, lease.address)
            return waiting.pop(until)

    def _newest(self, lease: Lease) -> NamedAddress | None:
        """Return the name of a lease, if it has no other address by now."""
        named = self._store.get(NamedAddress, NamedAddress.key_of(lease.pool_id, lease.name))
        return named.record if named is not None and named.record.address == lease.address else None

    def _is_reserved(self, pool: Pool, name: str) -> bool:
        named = self._store.get(NamedAddress, NamedAddress.key_of(pool.id, name))
        return named is not None and named.record.reserved

    def _drop(self, lease: Versioned[Lease]) -> bool:
        """Remove a kept lease, and its name unless that has another address by now; False if its owner was faster."""
        record = lease.record
        changes: list[Change] = [Remove(Lease, record.key, lease.revision)]
        if self._newest(record):
            changes.append(Remove(NamedAddress, NamedAddress.key_of(record.pool_id, record.name)))
        try:
            self._store.transact(*changes)
        except StoreConflict:
            return False
        return True


def taken_text(lease: Lease, pool: Pool) -> str:
    """Return the sentence for users who want an address that somebody else holds, or that is reserved."""
    if lease.kept_until:
        return f"address '{lease.address}' of pool '{pool.subnet}' is reserved for '{lease.name}'"
    by = " by the gateway" if lease.purpose == "gateway" else f" by '{lease.name}'" if lease.name else ""
    return f"address '{lease.address}' is already in use in pool '{pool.subnet}'{by}"


def _revision(stored: Versioned[NamedAddress] | Versioned[Lease] | None) -> int:
    return ABSENT if stored is None else stored.revision


def keep_names(store: Store, request: CreateNetwork, settings: NetworkSettings) -> Sequence[Change]:
    """Return the changes that make the pools of a network sticky when ``docker network create -o`` asks for it.

    Raises:
        InvalidRequest: another address manager gives out the addresses.
    """
    if settings.sticky == NetworkSettings.sticky.default:
        return []
    changes = []
    for data in (*request.ipv4_data, *request.ipv6_data):
        found = store.list(Pool, f"{data.address_space}/{data.pool}")
        pool = next((item for item in found if item.record.subnet == data.pool), None)
        if pool is None:
            raise InvalidRequest(
                f"option '{NetworkSettings.sticky.key}': addresses of '{data.pool}' are given out by another address "
                "manager, which knows no names; add --ipam-driver pynet"
            )
        changes.append(Put(replace(pool.record, keep=keep_seconds(settings)), pool.revision))
    return changes
