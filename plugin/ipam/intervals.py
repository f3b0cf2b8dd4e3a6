"""A set of integers as sorted runs, so that a gap is found by binary search.

A /16 with every second address taken has 32,768 runs; a full one has a single run. Adding an integer moves the runs
behind it, which is one ``memmove`` of the interpreter and takes microseconds at that size.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
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

    def add(self, number: int) -> None:
        """Add ``number``; it may be in the set already."""
        firsts, lasts = self._firsts, self._lasts
        at = bisect_right(firsts, number)
        if at and number <= lasts[at - 1]:
            return
        joins_left = at > 0 and lasts[at - 1] == number - 1
        joins_right = at < len(firsts) and firsts[at] == number + 1
        if joins_left and joins_right:
            lasts[at - 1] = lasts[at]
            del firsts[at], lasts[at]
        elif joins_left:
            lasts[at - 1] = number
        elif joins_right:
            firsts[at] = number
        else:
            firsts.insert(at, number)
            lasts.insert(at, number)

    def discard(self, number: int) -> None:
        """Remove ``number``; it need not be in the set."""
        firsts, lasts = self._firsts, self._lasts
        at = bisect_right(firsts, number) - 1
        if at < 0 or number > lasts[at]:
            return
        first, last = firsts[at], lasts[at]
        if first == last:
            del firsts[at], lasts[at]
        elif number == first:
            firsts[at] = number + 1
        elif number == last:
            lasts[at] = number - 1
        else:
            lasts[at] = number - 1
            firsts.insert(at + 1, number + 1)
            lasts.insert(at + 1, last)

    def free_block(self, first: int, last: int, size: int = 1) -> int | None:
        """Return the lowest multiple of ``size`` at which a block of ``size`` numbers is free within first..last.

        Each step passes at least one run, so there are never more steps than runs in the range.
        """
        block = -(-first // size) * size
        while block + size - 1 <= last:
            end = self.overlap(block, block + size - 1)
            if end is None:
                return block
            block = -(-(end + 1) // size) * size
        return None
