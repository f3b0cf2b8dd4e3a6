"""Subnets and link names that networks have, and those that are being created: no two get the same.

The check and the reservation are one short critical section. The slow work happens outside of it, so creating one
network never waits for another.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from plugin.engine.identity import Engines
from plugin.engine.names import Names
from plugin.errors import Conflict
from plugin.model.records import Network
from plugin.modes.base import Capability, Mode

Span = tuple[int, int, int]  # IP version, first and last address as numbers


@dataclass(frozen=True, slots=True)
class _Reservation:
    """A network, its link unless several may be on it, and its subnets in the form that is compared."""

    network: Network
    link: str
    spans: Sequence[Span]


class NetworkReservations:
    """The networks that exist, and those that are being created. May be used from any thread.

    They are kept in memory, because only this process changes them and reading 200 networks would cost every creation
    10 ms. ``existing`` is asked once, at the first reservation.
    """

    def __init__(self, existing: Callable[[], Sequence[Network]], names: Names, modes: Mapping[str, Mode]) -> None:
        self._existing = existing
        self._names = names
        self._modes = modes
        self._engines = Engines()
        self._lock = threading.Lock()  # guards _known and _pending
        self._known: dict[str, _Reservation] | None = None
        self._pending: dict[str, _Reservation] = {}

    @contextmanager
    def reserve(self, network: Network) -> Iterator[None]:
        """Reserve the subnets and the link name of ``network`` for the block, and until ``release`` if it succeeds.

        Raises:
            Conflict: another network has one of them; the text names both.
        """
        with self._lock:
            mine = self._reservation(network)
            for other in (*self._all().values(), *self._pending.values()):
                if other.network.id != network.id and _overlap(mine, other):
                    self._refuse(mine, other)
            self._pending[network.id] = mine
        try:
            yield
        except BaseException:
            with self._lock:
                del self._pending[network.id]
            raise
        with self._lock:
            self._all()[network.id] = self._pending.pop(network.id)
        self.note_caller(network.id)
        self._names.expect()

    def note_caller(self, network_id: str) -> None:
        """Note that the network belongs to the engine that calls now, because it names the network."""
        self._engines.note(network_id)

    def release(self, network_id: str) -> None:
        """Give back the subnets and the link name of a network that is removed."""
        with self._lock:
            self._all().pop(network_id, None)
        self._engines.forget(network_id)

    def overlapping(self, network: Network) -> list[Network]:
        """Return the other networks that overlap a subnet of ``network`` or have its link.

        Raises:
            Conflict: one of them belongs to another engine that is running.
        """
        mine = self._reservation(network)
        with self._lock:
            others = [other for other in self._all().values() if other.network.id != network.id]
            found = [other for other in others if _overlap(mine, other)]
        for other in found:
            if process := self._engines.other(other.network.id):
                self._refuse(mine, other, f", which another engine has (process {process})")
        return [other.network for other in found]

    def networks(self) -> list[Network]:
        """Return the networks that exist."""
        with self._lock:
            return [reservation.network for reservation in self._all().values()]

    def _all(self) -> dict[str, _Reservation]:
        if self._known is None:
            self._known = {network.id: self._reservation(network) for network in self._existing()}
        return self._known

    def _reservation(self, network: Network) -> _Reservation:
        mode = self._modes.get(network.mode)
        shared = mode is not None and Capability.SHARES_LINK in mode.does
        return _Reservation(network, "" if shared else network.link, _spans(network))

    def _refuse(self, new: _Reservation, other: _Reservation, whose: str = "") -> None:
        name = self._names.network(other.network.id)
        if new.link and new.link == other.link:
            raise Conflict(f"link '{new.link}' belongs to network {name} already{whose}")
        for mine in new.network.subnets:
            for theirs in other.network.subnets if other.network.on_host else ():
                if mine.pool.version == theirs.pool.version and mine.pool.overlaps(theirs.pool):
                    raise Conflict(f"subnet {mine.pool} overlaps subnet {theirs.pool} of network {name}{whose}")


def _spans(network: Network) -> Sequence[Span]:
    pools = (subnet.pool for subnet in network.subnets if network.on_host)
    return [(pool.version, int(pool.network_address), int(pool.broadcast_address)) for pool in pools]


def _overlap(mine: _Reservation, other: _Reservation) -> bool:
    """Return whether two networks have one link or overlap.

    Only numbers are compared, because this runs for every existing network: addresses of 200 networks would cost
    0.4 ms.
    """
    if mine.link and mine.link == other.link:
        return True
    for version, first, last in mine.spans:
        for their_version, their_first, their_last in other.spans:
            if version == their_version and first <= their_last and their_first <= last:
                return True
    return False
