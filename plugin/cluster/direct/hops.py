"""Decides by which way packets go to another host of a network: through the tunnel, or directly. No I/O.

The next hop of a container's route is the address at which its host is reached. A host that is reached over IPv4 has
IPv6 containers at the link-local address of its link, as the kernel routes IPv4 by IPv6, but not IPv6 by IPv4.
"""

from collections.abc import Mapping
from ipaddress import IPv6Address

from netlink.direct_routes import FoundRoute
from netlink.values import dataclass
from plugin.options.tunnel import DIRECT, VXLAN
from plugin.protocol.messages import Address


@dataclass(frozen=True, slots=True)
class HostPlace:
    """Where another host is reached: at ``address``, and by its neighbours also at ``link_local``."""

    address: Address
    link_local: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """The next hop towards a host on the wire of ``link``, by the IP version of the container's address."""

    link: str
    by: Mapping[int, Address]


Hops = Mapping[Address, Hop]  # by the address of the host; without those that only the tunnel reaches


def hop_to(place: HostPlace, way: FoundRoute | None) -> Hop | None:
    """Return the next hop towards a host that the kernel reaches by ``way``, None if it is not on this segment."""
    if way is None or way.gateway:
        return None
    by: dict[int, Address] = {4: place.address, place.address.version: place.address}
    if 6 not in by and place.link_local and place.link_local.is_link_local:
        by[6] = place.link_local
    return Hop(way.link, by)


def uses_tunnel(tunnel: str) -> bool:
    """Return whether a network has frames in the tunnel; with ``auto`` those to all go there whatever the hop."""
    return tunnel != DIRECT


def doubt_about_way(tunnel: str, address: Address, hop: Hop | None) -> str:
    """Return why nothing leads to the host at ``address``, or ""."""
    if tunnel != DIRECT or hop:
        return ""
    return (
        f"address {address} is behind a router, or no route leads there, and pynet.tunnel={DIRECT} reaches only hosts "
        "on the same segment; pynet.tunnel=auto reaches both"
    )


def routes(tunnel: str) -> bool:
    """Return whether a network may have routes to containers of other hosts."""
    return tunnel != VXLAN
