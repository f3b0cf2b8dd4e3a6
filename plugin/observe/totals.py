"""Adds up counters of things by their network, so that the sum never shrinks when a thing goes."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

Counts = Sequence[int]
K = TypeVar("K", bound=Hashable)


class Totals(Generic[K]):
    """Sums of ``width`` counters a thing, since the first call of ``add``; it belongs to one thread at a time.

    The first call adds nothing: after a restart a sum that began with all that was ever counted would look like traffic
    of this moment. Whatever a thing counted between its last reading and its end is missing.
    """

    def __init__(self, width: int) -> None:
        self._nothing: Counts = (0,) * width
        self._last: Mapping[K, Counts] | None = None
        self._sums: dict[str, Counts] = {}  # by network

    def add(self, networks: Mapping[K, str], now: Mapping[K, Counts]) -> None:
        """Add what is new: ``networks`` has the network of each thing, and ``now`` the counters of those that exist."""
        last = now if self._last is None else self._last
        sums = {network: list(self.of(network)) for network in networks.values()}
        for thing, counts in now.items():
            before = last.get(thing, self._nothing)
            if counts != before:
                total = sums[networks[thing]]
                for place, (old, new) in enumerate(zip(before, counts, strict=True)):
                    total[place] += new - old if new >= old else new  # a thing that was made again begins at 0
        self._last = now
        self._sums |= sums

    def keep(self, networks: Mapping[str, object]) -> None:
        """Forget all networks but these."""
        self._sums = {network: total for network, total in self._sums.items() if network in networks}

    def of(self, network: str) -> Counts:
        """Return the sums of a network."""
        return self._sums.get(network, self._nothing)
