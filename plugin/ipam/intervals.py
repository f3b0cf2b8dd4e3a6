"""A set of integers as sorted runs, so that a gap is found by binary search.

A /16 with every second address taken has 32,768 runs; a full one has a single run. Adding an integer moves the runs
behind it, which is one ``memmove`` of the interpreter and takes microseconds at that size.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable
from typing import Self


class Intervals:
    """Integers as disjoint closed runs with a gap of at least one between any two."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> Self:
        """Build the set of all integers in ``ranges``, pairs of first and last that may overlap."""
        made = cls()
        firsts, lasts = made._firsts, made._lasts
        for first, last in sorted(ranges):
            if lasts and first <= lasts[-1] + 1:
                lasts[-1] = max(lasts[-1], last)
            else:
                firsts.append(first)
                lasts.append(last)
        return made

    def __contains__(self, number: int) -> bool:
        return self.covers(number, number)

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._firsts)

    def overlap(self, first: int, last: int) -> int | None:
        """Return the end of the first run that shares a number with first..last, or None."""
        at = bisect_left(self._lasts, first)
        return self._lasts[at] if at < len(self._firsts) and self._firsts[at] <= last else None

    def covers(self, first: int, last: int) -> bool:
        """Return whether all of first..last is in the set."""
        at = bisect_right(self._firsts, first) - 1
        return at >= 0 and last <= self._lasts[at]

    def add(self, first: int, last: int | None = None) -> None:
        """Add ``first``, or all of first..last; some may be in the set already."""
        last = first if last is None else last
        left, right = bisect_left(self._lasts, first - 1), bisect_right(self._firsts, last + 1)
        if left < right:
            first, last = min(first, self._firsts[left]), max(last, self._lasts[right - 1])
        self._firsts[left:right], self._lasts[left:right] = [first], [last]

    def discard(self, first: int, last: int | None = None) -> None:
        """Remove ``first``, or all of first..last; they need not be in the set."""
        last = first if last is None else last
        left, right = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        if left >= right:
            return
        kept = [(self._firsts[left], first - 1), (last + 1, self._lasts[right - 1])]
        kept = [run for run in kept if run[0] <= run[1]]
        self._firsts[left:right], self._lasts[left:right] = [run[0] for run in kept], [run[1] for run in kept]


def free_block(taken: Collection[Intervals], first: int, last: int, size: int = 1) -> int | None:
    """Return the lowest multiple of ``size`` at which a block of ``size`` numbers within first..last is in no set.

    Each step passes at least one run, so there are never more steps than runs in the range.
    """
    block = -(-first // size) * size
    while block + size - 1 <= last:
        ends = [end for some in taken if (end := some.overlap(block, block + size - 1)) is not None]
        if not ends:
            return block
        block = -(-(max(ends) + 1) // size) * size
    return None
