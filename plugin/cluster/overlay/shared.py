"""What networks that span hosts have in common with the other hosts, as one value."""

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address

from netlink.errors import Missing
from plugin.cluster.direct.hops import uses_tunnel
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

    def room(self, tunnel: str) -> int:
        """Return the largest MTU that it carries, in bytes: in VXLAN, unless ``tunnel`` says that nothing goes there.

        Raises:
            InvalidRequest: no link has the address.
        """
        name = self._link()
        if not name:
            raise InvalidRequest(f"setting 'PYNET_ADVERTISE': no link of this host has the address {self.address}")
        mtu = next(link.mtu for link in self._kernel.links() if link.name == name)
        return mtu - OVERHEAD[self.address.version] if uses_tunnel(tunnel) else mtu

    def link_local(self) -> IPv6Address | None:
        """Return its IPv6 address on its wire, None without one; hosts that are reached over IPv6 need none."""
        name = self._link() if self.address.version == 4 else ""
        with suppress(Missing):  # the link went
            found = [each.ip for each in self._kernel.addresses_of(name) if each.is_link_local] if name else []
            return next((each for each in found if isinstance(each, IPv6Address)), None)
        return None

    def _link(self) -> str:
        return next((name for name, address in self._kernel.addresses() if address.ip == self.address), "")


@dataclass(frozen=True, slots=True)
class Shared:
    """``closed`` says why there can be no such network, or is empty."""

    tunnels: Tunnels
    agreement: Agreement
    peers: TableSync
    own: Presence
    underlay: Underlay
    closed: str = ""
