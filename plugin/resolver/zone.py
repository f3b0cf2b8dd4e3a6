"""The names of containers as the resolver sees them: who asks, and which addresses a name has on that network."""

from collections.abc import Sequence
from typing import Protocol

from plugin.protocol.messages import Address


class Zone(Protocol):
    """Names of containers by network. Methods are called from several threads, for each question: they must not wait.

    A network is named by the id of its record, a name is in lower case without the final dot.
    """

    def network_of(self, source: Address) -> str | None:
        """Return the network of the container of this host that has this address; None if there is none."""

    def addresses(self, network: str, name: str) -> Sequence[Address] | None:
        """Return all addresses of a name, of both IP versions; None if there is no such name.

        A name is that of a container, an alias, a service of Compose, or one of these with ``.NETWORK.pynet``.
        """

    def names(self, network: str, address: Address) -> Sequence[str]:
        """Return the names of an address of the network, the full name first; () if nobody has it."""
