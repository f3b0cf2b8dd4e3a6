"""What networks that span hosts have in common with the other hosts, as one value."""

from collections.abc import Collection
from contextlib import suppress
from ipaddress import IPv6Address

from netlink.errors import Missing
from netlink.values import dataclass
from plugin.cluster.overlay.agreement import Agreement
from plugin.cluster.overlay.presence import Presence
from plugin.cluster.overlay.table_sync import TableSync
from plugin.errors import InvalidRequest
from plugin.interfaces import Kernel, Tunnels
from plugin.options.tunnel import DIRECT, TUNNEL_OPTION, uses_tunnel
from plugin.protocol.messages import Address, InterfaceAddress

OVERHEAD = {4: 50, 6: 70}  # bytes of Ethernet, VXLAN, UDP and IP headers (RFC 7348, section 5)


class Underlay:
    """The link of this host at whose ``address`` the others reach it."""

    def __init__(self, kernel: Kernel, address: Address) -> None:
        self._kernel = kernel
        self.address = address
        self._name = ""  # of the link that had the address the last time

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

    def check_neighbours(self, tunnel: str, versions: Collection[int]) -> None:
        """Raise ``InvalidRequest`` if no other host would reach containers of all IP ``versions`` without a tunnel."""
        if tunnel == DIRECT and 6 in versions and self.address.version == 4 and not self.link_local():
            raise InvalidRequest(
                f"option '{TUNNEL_OPTION.key}': with '{DIRECT}' other hosts reach IPv6 containers by the link-local "
                f"IPv6 address of the link that has {self.address}, and it has none; turn IPv6 on there "
                "(net.ipv6.conf.LINK.disable_ipv6=0), or use auto"
            )

    def link_local(self) -> IPv6Address | None:
        """Return its IPv6 address on its wire, None without one; hosts that are reached over IPv6 need none."""
        if self.address.version == 6:
            return None
        found = self._addresses(self._name)
        if not any(each.ip == self.address for each in found):  # all links are asked if need be, as there may be many
            self._name = self._link()
            found = self._addresses(self._name)
        near = (each.ip for each in found if each.is_link_local)
        return next((each for each in near if isinstance(each, IPv6Address)), None)

    def _link(self) -> str:
        return next((name for name, address in self._kernel.addresses() if address.ip == self.address), "")

    def _addresses(self, link: str) -> Collection[InterfaceAddress]:
        with suppress(Missing):  # the link went
            return self._kernel.addresses_of(link) if link else ()
        return ()


@dataclass(frozen=True, slots=True)
class Shared:
    """``closed`` says why there can be no such network, or is empty."""

    tunnels: Tunnels
    agreement: Agreement
    peers: TableSync
    own: Presence
    underlay: Underlay
    closed: str = ""
