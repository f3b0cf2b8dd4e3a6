"""The record that puts the changes of pools in order, on one host and in a cluster."""

from typing import ClassVar

from netlink.values import dataclass
from plugin.model.flaws import first, number_flaw, text_flaw
from plugin.protocol.messages import Subnet


@dataclass(frozen=True, slots=True)
class PoolGeneration:
    """Written with every change of the pools of an IP version (4 or 6), so that of two changes at once one fails.

    ``number`` counts the changes: pools that were read at this number are still the same. ``last`` is the subnet that
    was chosen last; the search for the next one begins behind it.
    """

    kind: ClassVar[str] = "turn"

    version: int
    number: int = 0
    last: Subnet | None = None

    @property
    def key(self) -> str:
        """The IP version: v4 or v6."""
        return f"v{self.version}"

    @property
    def flaw(self) -> str:
        """Why the content is impossible, or ""; hosts share this record."""
        return first(number_flaw("number", self.number, 0, 1 << 62), text_flaw(self))
