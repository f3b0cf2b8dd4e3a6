"""The link of this host that leads to the others, and the largest MTU that VXLAN can carry through it."""

from plugin.errors import InvalidRequest
from plugin.interfaces import Kernel
from plugin.protocol.messages import Address

OVERHEAD = {4: 50, 6: 70}  # bytes of Ethernet, VXLAN, UDP and IP headers (RFC 7348, section 5)


class Underlay:
    """The other hosts reach this one at ``address``."""

    def __init__(self, kernel: Kernel, address: Address) -> None:
        self._kernel = kernel
        self.address = address

    def room(self) -> int:
        """Return the largest MTU that containers can have, in bytes.

        Raises:
            InvalidRequest: no link has the address.
        """
        name = next((name for name, address in self._kernel.addresses() if address.ip == self.address), None)
        if name is None:
            raise InvalidRequest(f"setting 'PYNET_ADVERTISE': no link of this host has the address {self.address}")
        mtu = next(link.mtu for link in self._kernel.links() if link.name == name)
        return mtu - OVERHEAD[self.address.version]
