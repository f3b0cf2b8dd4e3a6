"""Addresses that are kept for containers: in a sticky pool, a container that is made again gets the address it had.

The engine sends the name of the container from 29.0 on (moby daemon/libnetwork/network.go). A lease that is given back
stays in the store, with the time until which it is kept for that name. Until then another container gets the address
only if the pool has no other.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from plugin.errors import InvalidRequest
from plugin.model.records import Lease, Pool
from plugin.options.network import NetworkSettings
from plugin.options.pool import keep_seconds
from plugin.protocol.messages import Address, CreateNetwork
from plugin.store.base import Change, Put, Remove, Store, StoreConflict, Versioned

SWEEP = 60.0  # seconds between two searches for expired addresses: each reads all leases of the pool
LIMITLESS = float("inf")


@dataclass(frozen=True, slots=True)
class NamedAddress:
    """The address that a name had last; it belongs to the name only while the lease has the same name."""

    kind: ClassVar[str] = "name"

    pool_id: str
    name: str
    address: Address

    @property
    def key(self) -> str:
        """Pool id and name, so that a prefix lists a pool's names."""
        return _name_key(self.pool_id, self.name)


class Sticky:
    """Keeps addresses for names. Every method may raise ``Failed`` or ``Busy`` of the store."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock  # wall clock, because its times are stored and must survive a restart
        self._next_sweep: dict[str, float] = {}
        self._none_kept: set[str] = set()  # pools without kept addresses: a full one is not read for each refusal

    def take_back(self, pool: Pool, name: str) -> Address | None:
        """Lease the address that is kept for ``name`` again, durably, and return it; None when there is none."""
        if not (pool.keep and name):
            return None
        named = self._store.get(NamedAddress, _name_key(pool.id, name))
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
        return [Put(NamedAddress(pool.id, name, address))] if pool.keep and name else []

    def give_back(self, lease: Versioned[Lease]) -> Change:
        """Return the change to write when ``lease`` is given back."""
        record = lease.record
        pool = self._store.get(Pool, record.pool_id) if record.name else None
        if pool is None or not pool.record.keep or not self._is_newest(record):
            return Remove(Lease, record.key, lease.revision)
        until = record.kept_until or int(self._clock()) + pool.record.keep
        return Put(replace(record, kept_until=until), lease.revision)

    def expire(self, pool: Pool) -> Sequence[Address]:
        """Free the addresses whose time is over, and return them; at most once a minute."""
        now = self._clock()
        if not pool.keep or now < self._next_sweep.get(pool.id, 0.0):
            return []
        self._next_sweep[pool.id] = now + SWEEP
        return [lease.record.address for lease in self._kept(pool, until=now) if self._drop(lease)]

    def evict(self, pool: Pool) -> Address | None:
        """Free the address that expires first, and return it; None when none is kept."""
        if not pool.keep or pool.id in self._none_kept:
            return None
        self._none_kept.add(pool.id)  # before reading, so that a thread that keeps an address meanwhile takes it back
        for lease in self._kept(pool, until=LIMITLESS):
            self._none_kept.discard(pool.id)
            if self._drop(lease):
                return lease.record.address
        return None

    def kept(self, pool_id: str) -> None:
        """Note that an address of a pool is kept, after it was stored."""
        self._none_kept.discard(pool_id)

    def forget(self, pool_id: str) -> Sequence[Change]:
        """Return the changes to write when a pool is given back."""
        self._next_sweep.pop(pool_id, None)
        self._none_kept.discard(pool_id)
        return [Remove(NamedAddress, item.record.key) for item in self._store.list(NamedAddress, f"{pool_id}#")]

    def _kept(self, pool: Pool, *, until: float) -> list[Versioned[Lease]]:
        leases = [lease for lease in self._store.list(Lease, f"{pool.id}#") if 0 < lease.record.kept_until <= until]
        return sorted(leases, key=lambda lease: lease.record.kept_until)

    def _is_newest(self, lease: Lease) -> bool:
        named = self._store.get(NamedAddress, _name_key(lease.pool_id, lease.name))
        return named is not None and named.record.address == lease.address

    def _drop(self, lease: Versioned[Lease]) -> bool:
        """Remove a kept lease, and its name unless that has another address by now; False if its owner was faster."""
        record = lease.record
        changes: list[Change] = [Remove(Lease, record.key, lease.revision)]
        if self._is_newest(record):
            changes.append(Remove(NamedAddress, _name_key(record.pool_id, record.name)))
        try:
            self._store.transact(*changes)
        except StoreConflict:
            return False
        return True


def _name_key(pool_id: str, name: str) -> str:
    return f"{pool_id}#{name}"


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
