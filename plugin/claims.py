"""What creations in flight have claimed, so that two at once cannot take one subnet or one link name.

The check and the claim are one short critical section; the slow work happens outside of it, so that creating one
network never waits for another.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from plugin.errors import Conflict
from plugin.messages import Subnet
from plugin.model import Network


class Claims:
    """The networks that there are, and those that are being created.

    They are kept here because this process alone changes them: with 200 networks reading them anew would cost every
    creation 10 ms. ``existing`` is asked once, at the first claim.
    """

    def __init__(self, existing: Callable[[], Sequence[Network]]) -> None:
        self._existing = existing
        self._lock = threading.Lock()  # guards _known and _pending
        self._known: dict[str, Network] | None = None
        self._pending: dict[str, Network] = {}

    @contextmanager
    def claim(self, network: Network) -> Iterator[None]:
        """Hold the subnets and the link name of ``network`` while it is being created, and for good if that succeeds.

        Raises:
            Conflict: another network has one of them; the text names both.
        """
        with self._lock:
            for other in (*self._all().values(), *self._pending.values()):
                if other.id != network.id:
                    _refuse_overlap(network, other)
            self._pending[network.id] = network
        try:
            yield
        except BaseException:
            with self._lock:
                del self._pending[network.id]
            raise
        with self._lock:
            self._all()[network.id] = self._pending.pop(network.id)

    def forget(self, network_id: str) -> list[Network]:
        """Give back what a removed network held, and return the networks that remain."""
        with self._lock:
            self._all().pop(network_id, None)
            return list(self._all().values())

    def _all(self) -> dict[str, Network]:
        if self._known is None:
            self._known = {network.id: network for network in self._existing()}
        return self._known


def _refuse_overlap(network: Network, other: Network) -> None:
    # Only integers are compared, as this runs for each network that there is: 200 of them would cost 0.4 ms.
    if other.link == network.link:
        raise Conflict(f"link '{network.link}' belongs to network '{other.id[:12]}' already")
    for mine in network.subnets:
        for theirs in other.subnets:
            if mine.pool.version == theirs.pool.version and _overlap(mine.pool, theirs.pool):
                raise Conflict(f"subnet {mine.pool} overlaps subnet {theirs.pool} of network '{other.id[:12]}'")


def _overlap(one: Subnet, other: Subnet) -> bool:
    shift = one.max_prefixlen - min(one.prefixlen, other.prefixlen)
    return int(one.network_address) >> shift == int(other.network_address) >> shift
