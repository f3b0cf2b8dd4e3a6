"""Avoids listings while nothing has changed: the kernel numbers the ruleset, and every transaction raises the number.

Measured with 1,000 networks of ten containers: 0.3 s for the rules and 1.5 s for the elements, against 0.02 ms.
"""

from typing import Protocol

from plugin.interfaces import Nft
from plugin.model.findings import Finding


class Differences(Protocol):
    """Lists the tables and returns the differences from the wanted ones."""

    def __call__(self, *, elements: bool) -> list[Finding]:
        """Compare elements of sets too if ``elements``."""


class RulesetGeneration:
    """The number of the ruleset when it was last found right."""

    def __init__(self, nft: Nft) -> None:
        self._nft = nft
        self._right: dict[bool, int] = {}  # by whether elements were compared too

    def look(self, differences: Differences, *, elements: bool) -> list[Finding]:
        """Return ``differences``, or nothing if there were none and nobody has changed the ruleset since.

        Changes during the listing are found the next time, because the number is read before it.
        """
        number = self._nft.generation()
        if self._right.get(elements) == number:
            return []
        found = differences(elements=elements)
        if not found:
            self._right |= {False: number, True: number} if elements else {False: number}
        return found
