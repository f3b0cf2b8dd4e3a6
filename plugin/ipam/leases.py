"""What this process knows of the leases of a pool. The store decides; this saves reading it for each request."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from plugin.errors import Exhausted
from plugin.ipam.allocator import AddressPool
from plugin.model.records import Pool
from plugin.protocol.messages import Address


class LeasedAddress(Protocol):
    """A record that takes an address."""

    @property
    def address(self) -> Address:
        """The address."""


class StoredLease(Protocol):
    """Such a record with its revision, as a store lists it."""

    @property
    def record(self) -> LeasedAddress:
        """The record."""

    @property
    def revision(self) -> int:
        """When it was written."""


Listing = Callable[[], Sequence[StoredLease]]
Begin = Callable[[Sequence[StoredLease]], int | None]


def behind_latest(leases: Sequence[StoredLease]) -> int | None:
    """Begin the search behind the address that was leased last."""
    latest = max(leases, key=lambda lease: lease.revision, default=None)
    return None if latest is None else int(latest.record.address)


class LeaseTable:
    """The taken addresses of one pool, read with ``listing`` when they are first needed.

    An address is handed out before it is stored, so that requests for the same pool go to the disk together. Until
    ``settle`` or ``drop`` it counts as pending, which survives a new reading. ``shared`` says that other hosts lease
    and free addresses of the pool too: a pool that is full is then read again before anybody is refused.
    """

    def __init__(self, pool: Pool, listing: Listing, begin: Begin = behind_latest, *, shared: bool = False) -> None:
        self._shared = shared
        """``begin`` returns the address behind which the search begins after a reading, as a number."""
        self._pool = pool
        self._listing = listing
        self._begin = begin
        self._guard = threading.Lock()  # guards everything below
        self._pending: set[Address] = set()
        self._known: AddressPool | None = None

    def take(self, *, first: bool) -> Address:
        """Take the next free address, or the first one of the pool when it is free and ``first`` asks for it.

        Raises:
            Exhausted: there is no free one.
        """
        with self._guard:
            known = self._known
            try:
                address = (known or self._read()).take(first=first)
            except Exhausted:
                if known is None or not self._shared:
                    raise
                address = self._read().take(first=first)  # another host may have given some back
            self._pending.add(address)
            return address

    def settle(self, address: Address) -> None:
        """Note that ``address`` is stored as a lease."""
        with self._guard:
            self._pending.discard(address)
            if self._known is not None:
                self._known.mark(address)

    def drop(self, address: Address) -> None:
        """Note that ``address`` was not stored, and that what is known may be wrong."""
        with self._guard:
            self._pending.discard(address)
            self._known = None

    def free(self, address: Address) -> None:
        """Note that the lease of ``address`` is gone from the store."""
        with self._guard:
            if self._known is not None and address not in self._pending:
                self._known.free(address)

    def _read(self) -> AddressPool:
        leases = self._listing()
        self._known = AddressPool(
            self._pool.subnet,
            self._pool.sub_pool,
            [int(lease.record.address) for lease in leases],
            self._begin(leases),
        )
        for address in self._pending:
            self._known.mark(address)
        return self._known
