"""A cache of the taken addresses of a pool. The store decides; the cache saves reading it for each request."""

import threading
from collections.abc import Callable, Sequence

from plugin.errors import Exhausted
from plugin.ipam.allocator import AddressPool
from plugin.model.records import Pool
from plugin.protocol.messages import Address

Leased = Sequence[tuple[Address, int]]  # each address that is taken, and the revision of its lease


def behind_latest(leased: Leased) -> int | None:
    """Return the address that was leased last; the search begins behind it."""
    address, _ = max(leased, key=lambda lease: lease[1], default=(None, 0))
    return None if address is None else int(address)


class LeaseTable:
    """The taken addresses of one pool, read with ``listing`` when they are first needed.

    An address is taken here before it is stored, so that requests for the same pool go to the disk together. Until
    ``settle`` or ``drop`` it is pending, also after a new reading. ``begin`` returns the address, as a number, behind
    which the search begins after a reading. ``shared`` means that other hosts lease and free addresses of the pool too:
    a full pool is then read again before a request is refused.
    """

    def __init__(
        self,
        pool: Pool,
        listing: Callable[[], Leased],
        begin: Callable[[Leased], int | None] = behind_latest,
        *,
        shared: bool = False,
    ) -> None:
        self._shared = shared
        self._pool = pool
        self._listing = listing
        self._begin = begin
        self._guard = threading.Lock()  # guards everything below
        self._pending: set[Address] = set()
        self._known: AddressPool | None = None

    def take(self, *, first: bool) -> Address:
        """Take the next free address; with ``first``, the first one of the pool if it is free.

        Raises:
            Exhausted: no address is free.
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
        """Note that ``address`` was not stored, and read the leases again, as others may have changed them."""
        with self._guard:
            self._pending.discard(address)
            self._known = None

    def free(self, address: Address) -> None:
        """Note that the lease of ``address`` was removed from the store."""
        with self._guard:
            if self._known is not None and address not in self._pending:
                self._known.free(address)

    def _read(self) -> AddressPool:
        leased = self._listing()
        taken = [int(address) for address, _ in leased]
        self._known = AddressPool(self._pool.subnet, self._pool.sub_pool, taken, self._begin(leased))
        for address in self._pending:
            self._known.mark(address)
        return self._known
