"""The record that puts changes of pools into one order, on one host as on a cluster."""

from dataclasses import dataclass
from typing import ClassVar

from plugin.model.flaws import first, number_flaw, text_flaw
from plugin.protocol.messages import Subnet


@dataclass(frozen=True, slots=True)
class PoolGeneration:
    """Written with every change of the pools of an IP version (4 or 6), so that two changes cannot cross.

    ``number`` counts the changes: who has read the pools at this number still knows them. ``last`` is the pool that
    was chosen last, where the search for the next one begins.
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
        """What cannot be in it, where hosts share it."""
        return first(number_flaw("number", self.number, 0, 1 << 62), text_flaw(self))
