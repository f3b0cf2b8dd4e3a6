"""What networks that span hosts have in common with the other hosts, as one value."""

from collections.abc import Collection
from contextlib import suppress
from ipaddress import IPv6Address

from netlink.errors import Missing
from netlink.values import dataclass
from plugin.cluster.overlay.agreement import Agreement
from plugin.cluster.overlay.presence import Presence
from plugin.cluster.overlay.table_sync import TableSync
from plugin.cluster.secrecy.secrecy import Secrecy
from plugin.errors import InvalidRequest
from plugin.interfaces import Kernel, Tunnels
from plugin.model.records import LEAST_IPV6_MTU
from plugin.options.tunnel import DIRECT, TUNNEL_OPTION, uses_tunnel
from plugin.protocol.messages import Address, InterfaceAddress

OVERHEAD = {4: 50, 6: 70}  # bytes of Ethernet, VXLAN, UDP and IP headers (RFC 7348, section 5)
SECRET_OVERHEAD = {4: 60, 6: 80}  # bytes of WireGuard's head and tag, UDP and IP headers (drivers/net/wireguard)


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
        return self.mtu() - OVERHEAD[self.address.version] if uses_tunnel(tunnel) else self.mtu()

    def secret_room(self) -> int:
        """Return the largest MTU of encrypted VXLAN, in bytes: IPv6 in WireGuard; raises ``InvalidRequest``."""
        return self.secret_mtu() - OVERHEAD[6]

    def secret_mtu(self) -> int:
        """Return the MTU of a WireGuard link, in bytes.

        Raises:
            InvalidRequest: no link has the address, or its MTU is too small.
        """
        mtu = self.mtu() - SECRET_OVERHEAD[self.address.version]
        if mtu < LEAST_IPV6_MTU:
            raise InvalidRequest(
                f"option 'pynet.encrypt': the link with {self.address} carries {self.mtu()} bytes, and WireGuard with "
                f"IPv6 inside needs {LEAST_IPV6_MTU + SECRET_OVERHEAD[self.address.version]}"
            )
        return mtu

    def mtu(self) -> int:
        """Return the MTU of the link, in bytes.

        Raises:
            InvalidRequest: no link has the address.
        """
        name = self._link()
        if not name:
            raise InvalidRequest(f"setting 'PYNET_ADVERTISE': no link of this host has the address {self.address}")
        return next(link.mtu for link in self._kernel.links() if link.name == name)

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
    secrecy: Secrecy
    closed: str = ""
