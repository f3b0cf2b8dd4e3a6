"""The leases that this process knows of, and which of them are being taken or given back."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from plugin.dhcp.model import Lease4
from plugin.dhcp.record import DhcpLease
from plugin.errors import Conflict

REMEMBERED = 1000  # clients whose last address is known
InUse = Callable[[str], bool]  # whether a container runs with the endpoint of that key


class LeaseBook:
    """Knows leases by key and by client. A lease is held by an endpoint, or left behind by one that is gone."""

    def __init__(self) -> None:
        self._guard = threading.Condition()  # guards the rest
        self._held: dict[str, DhcpLease] = {}
        self._left: dict[str, DhcpLease] = {}
        self._keys: dict[tuple[str, str], str] = {}  # of both, by client
        self._taking: set[str] = set()  # keys
        self._leaving: set[str] = set()  # keys of leases that are being given back for good
        self._had: dict[tuple[str, str], Lease4] = {}  # by client, the oldest first: leases that were given back

    def get(self, key: str) -> DhcpLease | None:
        """Return the lease that an endpoint holds."""
        return self._held.get(key)

    def left(self, key: str) -> DhcpLease | None:
        """Return a lease that an endpoint left behind."""
        return self._left.get(key)

    def held(self, prefix: str = "") -> Sequence[DhcpLease]:
        """Return the leases that endpoints hold and whose keys begin with ``prefix``."""
        with self._guard:
            return [record for key, record in self._held.items() if key.startswith(prefix)]

    def hold(self, record: DhcpLease) -> None:
        """Note the lease of an endpoint, which may be the one of another before."""
        with self._guard:
            other = self._keys.get(record.client, record.key)
            for known in (self._held, self._left):
                known.pop(other, None)
            self._left.pop(record.key, None)
            self._held[record.key] = record
            self._keys[record.client] = record.key

    def leave(self, record: DhcpLease) -> None:
        """Note a lease without an endpoint."""
        with self._guard:
            self._left[record.key] = record
            self._keys[record.client] = record.key

    def forget(self, record: DhcpLease) -> None:
        """Forget a lease that was given back, but for its address."""
        with self._guard:
            self._had.pop(record.client, None)
            if record.lease is not None:
                self._had[record.client] = replace(record.lease, taken=0, lasts=0)
            if len(self._had) > REMEMBERED:
                del self._had[next(iter(self._had))]
            self._held.pop(record.key, None)
            self._left.pop(record.key, None)
            if self._keys.get(record.client) == record.key:
                del self._keys[record.client]

    def had(self, record: DhcpLease) -> Lease4 | None:
        """Return the ended lease that the client of ``record`` gave back last, as far as that is remembered."""
        return self._had.get(record.client)

    @contextmanager
    def taking(self, wanted: DhcpLease, in_use: InUse, patience: float) -> Iterator[str]:
        """Let nobody else have the client of ``wanted`` meanwhile, and yield the key of the lease that it had, or has.

        A lease that is being given back is awaited for ``patience`` seconds.

        Raises:
            Conflict: a container runs with the client, or one is being created with it.
        """
        other = self._keys.get(wanted.client, wanted.key)
        running = other != wanted.key and other in self._held and in_use(other)
        with self._guard:
            self._guard.wait_for(lambda: other not in self._leaving, patience)
            if running or (self._taking | self._leaving) & {other, wanted.key}:
                raise Conflict(
                    f"another container on '{wanted.link}' asks for an address with the same MAC address, host name or "
                    "client id"
                )
            self._taking.add(wanted.key)
        try:
            yield other
        finally:
            with self._guard:
                self._taking.discard(wanted.key)

    @contextmanager
    def giving_back(self, key: str) -> Iterator[DhcpLease | None]:
        """Let nobody take the lease that an endpoint left behind; yield it, or None if somebody has taken it."""
        with self._guard:
            record = None if key in self._taking | self._leaving else self._left.get(key)
            if record is not None:
                self._leaving.add(key)
        try:
            yield record
        finally:
            with self._guard:
                if record is not None:
                    self._leaving.discard(key)
                    self._guard.notify_all()
