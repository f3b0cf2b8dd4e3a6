"""Sees to it that no two networks get one subnet or link name, not even if they are created at the same time.

The check and the reservation are one short critical section. The slow work happens outside of it, so creating one
network never waits for another.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from plugin.cluster.addresses.records import PoolUse
from plugin.engine.identity import Engines
from plugin.engine.names import Names
from plugin.errors import Conflict
from plugin.model.records import Network
from plugin.modes.base import Capability, Mode
from plugin.protocol.messages import Subnet
from plugin.store.base import Store

# Spaces whose manager keeps subnets apart: the engine's own (moby daemon/libnetwork/ipams/defaultipam) and pynet's.
EXCLUSIVE = frozenset({"LocalDefault", "GlobalDefault", "pynet-local", "pynet-global"})
Span = tuple[int, int, int]  # IP version, first and last address as numbers


@dataclass(frozen=True, slots=True)
class _Reservation:
    """A network, its link unless several may be on it, and its subnets in the form that is compared."""

    network: Network
    link: str
    spans: Sequence[Span]


class NetworkReservations:
    """Knows the networks that exist or are being created. May be used from any thread.

    They are kept in memory, because only this process changes them and reading 200 networks would cost every creation
    10 ms. The store is read once, at the first question.
    """

    def __init__(self, store: Store, names: Names, modes: Mapping[str, Mode]) -> None:
        self._store = store
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

    def given_up_for(self, network: Network) -> list[Network]:
        """Return the networks that the engine has given up, because it gives their subnet to ``network``.

        An address manager gives nothing to two at once (``plugin.network.address_owners``).

        Raises:
            Conflict: a network that has a subnet or the link belongs to another engine that is running.
        """
        others = self._overlapping(network)
        uses = Counter(item.record.subnet for item in self._store.list(PoolUse)) if others else {}
        return [other for other in others if _has_subnet_of(network, other, uses)]

    def networks(self) -> list[Network]:
        """Return the networks that exist."""
        with self._lock:
            return [reservation.network for reservation in self._all().values()]

    def _overlapping(self, network: Network) -> list[Network]:
        mine = self._reservation(network)
        with self._lock:
            others = [other for other in self._all().values() if other.network.id != network.id]
            found = [other for other in others if _overlap(mine, other)]
        for other in found:
            if process := self._engines.other(other.network.id):
                self._refuse(mine, other, f", which another engine has (process {process})")
        return [other.network for other in found]

    def _all(self) -> dict[str, _Reservation]:
        if self._known is None:
            stored = [item.record for item in self._store.list(Network)]
            self._known = {network.id: self._reservation(network) for network in stored}
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


def _has_subnet_of(network: Network, other: Network, uses: Mapping[Subnet, int]) -> bool:
    """Return whether the address manager that gave ``network`` its subnets thereby took one from ``other``.

    Networks may share a pool of the cluster: ``uses`` counts the networks of this host that use each pool now.
    """
    return any(
        mine.space in EXCLUSIVE
        and mine.space == theirs.space
        and uses.get(mine.pool, 1) == 1
        and mine.pool.version == theirs.pool.version
        and mine.pool.overlaps(theirs.pool)
        for mine in network.subnets
        for theirs in other.subnets
    )
