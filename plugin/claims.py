"""What creations in flight have claimed, so that two at once cannot take one subnet or one link name.

The check and the claim are one short critical section; the slow work happens outside of it, so that creating one
network never waits for another.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from plugin.errors import Conflict
from plugin.model import Network


class Claims:
    """Networks that are being created."""

    def __init__(self, existing: Callable[[], Sequence[Network]]) -> None:
        self._existing = existing
        self._lock = threading.Lock()  # guards _pending and the check against it
        self._pending: dict[str, Network] = {}

    @contextmanager
    def claim(self, network: Network) -> Iterator[None]:
        """Hold the subnets and the link name of ``network`` while it is being created.

        Raises:
            Conflict: another network has one of them; the text names both.
        """
        with self._lock:
            for other in (*self._existing(), *self._pending.values()):
                if other.id != network.id:
                    _refuse_overlap(network, other)
            self._pending[network.id] = network
        try:
            yield
        finally:
            with self._lock:
                del self._pending[network.id]


def _refuse_overlap(network: Network, other: Network) -> None:
    if other.link == network.link:
        raise Conflict(f"link '{network.link}' belongs to network '{other.id[:12]}' already")
    for mine in network.subnets:
        for theirs in other.subnets:
            if mine.pool.version == theirs.pool.version and mine.pool.overlaps(theirs.pool):
                raise Conflict(f"subnet {mine.pool} overlaps subnet {theirs.pool} of network '{other.id[:12]}'")
