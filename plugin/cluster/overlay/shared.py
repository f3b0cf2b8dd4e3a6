"""What networks that span hosts have in common with the other hosts, as one value."""

from dataclasses import dataclass

from plugin.cluster.overlay.agreement import Agreement
from plugin.cluster.overlay.presence import Presence
from plugin.cluster.overlay.table_sync import TableSync
from plugin.errors import InvalidRequest
from plugin.interfaces import Kernel, Tunnels
from plugin.protocol.messages import Address

OVERHEAD = {4: 50, 6: 70}  # bytes of Ethernet, VXLAN, UDP and IP headers (RFC 7348, section 5)


class Underlay:
    """The link of this host at whose ``address`` the others reach it."""

    def __init__(self, kernel: Kernel, address: Address) -> None:
        self._kernel = kernel
        self.address = address

    def room(self) -> int:
        """Return the largest MTU that VXLAN can carry through it, in bytes.

        Raises:
            InvalidRequest: no link has the address.
        """
        name = next((name for name, address in self._kernel.addresses() if address.ip == self.address), None)
        if name is None:
            raise InvalidRequest(f"setting 'PYNET_ADVERTISE': no link of this host has the address {self.address}")
        mtu = next(link.mtu for link in self._kernel.links() if link.name == name)
        return mtu - OVERHEAD[self.address.version]


@dataclass(frozen=True, slots=True)
class Shared:
    """``closed`` says why there can be no such network, or is empty."""

    tunnels: Tunnels
    agreement: Agreement
    peers: TableSync
    own: Presence
    underlay: Underlay
    closed: str = ""
