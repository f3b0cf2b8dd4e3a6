"""The moments at which something is to be done, the next one first."""

import heapq
import math
from collections.abc import Iterator
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")

STALE = 64  # moments that no longer count and may stay in the heap, beyond one for each that counts


class Agenda(Generic[T]):
    """One moment for each thing; a new one replaces the old one, and ``math.inf`` ends it."""

    def __init__(self) -> None:
        self._moments: dict[T, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = count()  # things of one moment come in their order, and are never compared

    def note(self, thing: T, moment: float) -> None:
        """Set the moment of a thing."""
        if moment == math.inf:
            self._moments.pop(thing, None)
            return
        self._moments[thing] = moment, next(self._numbers)
        heapq.heappush(self._heap, (*self._moments[thing], thing))
        if len(self._heap) > 2 * len(self._moments) + STALE:
            self._heap = [(*when, one) for one, when in self._moments.items()]
            heapq.heapify(self._heap)

    def first(self) -> float:
        """Return the next moment."""
        while self._heap and self._moments.get(self._heap[0][2]) != self._heap[0][:2]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> Iterator[T]:
        """Yield the things whose moment has come, each once; a new moment may be set meanwhile."""
        while self.first() <= now:
            thing = heapq.heappop(self._heap)[2]
            del self._moments[thing]
            yield thing
