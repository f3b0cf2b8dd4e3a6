"""What creations in flight have claimed, so that two at once cannot take one subnet or one link name.

The check and the claim are one short critical section; the slow work happens outside of it, so that creating one
network never waits for another.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from plugin.engine.identity import Engines
from plugin.engine.names import Names
from plugin.errors import Conflict
from plugin.model.records import Network

Span = tuple[int, int, int]  # IP version, first and last address as numbers


@dataclass(frozen=True, slots=True)
class _Claim:
    """A network, and its subnets in the form that is compared."""

    network: Network
    spans: Sequence[Span]


class NetworkReservations:
    """The networks that there are, and those that are being created.

    They are kept here because this process alone changes them: with 200 networks reading them anew would cost every
    creation 10 ms. ``existing`` is asked once, at the first claim.
    """

    def __init__(self, existing: Callable[[], Sequence[Network]], names: Names) -> None:
        self._existing = existing
        self._names = names
        self._engines = Engines()
        self._lock = threading.Lock()  # guards _known and _pending
        self._known: dict[str, _Claim] | None = None
        self._pending: dict[str, _Claim] = {}

    @contextmanager
    def claim(self, network: Network) -> Iterator[None]:
        """Hold the subnets and the link name of ``network`` while it is being created, and for good if that succeeds.

        Raises:
            Conflict: another network has one of them; the text names both.
        """
        with self._lock:
            mine = _spans(network)
            for other in (*self._all().values(), *self._pending.values()):
                if other.network.id != network.id and _meet(network.link, mine, other):
                    self._refuse(network, other.network)
            self._pending[network.id] = _Claim(network, mine)
        try:
            yield
        except BaseException:
            with self._lock:
                del self._pending[network.id]
            raise
        with self._lock:
            self._all()[network.id] = self._pending.pop(network.id)
        self.name(network.id)
        self._names.expect()

    def name(self, network_id: str) -> None:
        """Note that the caller, an engine, names a network of its own."""
        self._engines.note(network_id)

    def forget(self, network_id: str) -> None:
        """Give back what a removed network held."""
        with self._lock:
            self._all().pop(network_id, None)
        self._engines.forget(network_id)

    def rivals(self, network: Network) -> list[Network]:
        """Return the other networks that have a subnet of ``network``, or its link.

        Raises:
            Conflict: another engine that runs has one of them.
        """
        mine = _spans(network)
        with self._lock:
            others = [other for other in self._all().values() if other.network.id != network.id]
            rivals = [other.network for other in others if _meet(network.link, mine, other)]
        for rival in rivals:
            if process := self._engines.other(rival.id):
                self._refuse(network, rival, f", which another engine has (process {process})")
        return rivals

    def networks(self) -> list[Network]:
        """Return the networks that there are."""
        with self._lock:
            return [claim.network for claim in self._all().values()]

    def _all(self) -> dict[str, _Claim]:
        if self._known is None:
            self._known = {network.id: _Claim(network, _spans(network)) for network in self._existing()}
        return self._known

    def _refuse(self, network: Network, other: Network, whose: str = "") -> None:
        name = self._names.network(other.id)
        if other.link == network.link:
            raise Conflict(f"link '{network.link}' belongs to network {name} already{whose}")
        for mine in network.subnets:
            for theirs in other.subnets if other.on_host else ():
                if mine.pool.version == theirs.pool.version and mine.pool.overlaps(theirs.pool):
                    raise Conflict(f"subnet {mine.pool} overlaps subnet {theirs.pool} of network {name}{whose}")


def _spans(network: Network) -> Sequence[Span]:
    pools = (subnet.pool for subnet in network.subnets if network.on_host)
    return [(pool.version, int(pool.network_address), int(pool.broadcast_address)) for pool in pools]


def _meet(link: str, spans: Sequence[Span], other: _Claim) -> bool:
    """Compare numbers alone: this runs for each network that there is, and 200 of them would cost 0.4 ms."""
    if other.network.link == link:
        return True
    for version, first, last in spans:
        for their_version, their_first, their_last in other.spans:
            if version == their_version and first <= their_last and their_first <= last:
                return True
    return False
