"""The record that tells other hosts the names of an endpoint."""

from typing import ClassVar

from netlink.values import dataclass
from plugin.model.flaws import first, number_flaw, record_flaw
from plugin.protocol.messages import Address

MOST_NAMES = 64  # of one endpoint: more are not announced
MOST_ADDRESSES = 2  # one of each IP version


@dataclass(frozen=True, slots=True)
class ClusterName:
    """The names of an endpoint of a network that hosts share, in lower case, and its addresses.

    ``host`` is the id of its host: the names count as long as that host is alive.
    """

    kind: ClassVar[str] = "cluster-name"

    network: str
    endpoint: str
    host: str
    names: tuple[str, ...]
    addresses: tuple[Address, ...]

    @property
    def key(self) -> str:
        """Network and Docker's id of the endpoint, so that a prefix lists a network's names."""
        return f"{self.network}/{self.endpoint}"

    @property
    def flaw(self) -> str:
        return first(
            record_flaw(self, "network", "endpoint", "host"),
            number_flaw("names", len(self.names), 1, MOST_NAMES),
            number_flaw("addresses", len(self.addresses), 1, MOST_ADDRESSES),
        )
