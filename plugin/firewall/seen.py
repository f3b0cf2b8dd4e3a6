"""Lists nothing where nothing has changed: the kernel numbers the ruleset, and every transaction raises the number.

Measured with 1,000 networks of ten containers: 0.3 s for the rules and 1.5 s for the elements, against 0.02 ms.
"""

from typing import Protocol

from plugin.interfaces import Nft
from plugin.model.findings import Finding


class Differences(Protocol):
    """Lists what there is, and says what is wrong with it."""

    def __call__(self, *, elements: bool) -> list[Finding]:
        """With ``elements`` also with what stands in sets."""


class Seen:
    """The number at which everything was found right, the last time."""

    def __init__(self, nft: Nft) -> None:
        self._nft = nft
        self._right: dict[bool, int] = {}  # by whether elements were looked at too

    def look(self, differences: Differences, *, elements: bool) -> list[Finding]:
        """Return ``differences``; nothing where they were none and nobody has changed anything; see ``Firewall``.

        What changes during the listing is found the next time, as the number is asked for before it.
        """
        number = self._nft.generation()
        if self._right.get(elements) == number:
            return []
        found = differences(elements=elements)
        if not found:
            self._right |= {False: number, True: number} if elements else {False: number}
        return found
