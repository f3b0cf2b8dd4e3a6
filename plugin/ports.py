"""What the plugin needs from the world, as small protocols with a real and an in-memory implementation each."""

from collections.abc import Sequence
from typing import Protocol

from plugin.messages import Subnet


class HostNetworks(Protocol):
    """What the host already uses, so that a new pool keeps clear of it."""

    def in_use(self) -> Sequence[Subnet]:
        """Subnets of the host's routes and addresses (no default routes) and its nameservers as /32 or /128."""
