"""Decides by which way packets go to another host of a network: through the tunnel, or directly. No I/O.

The next hop of a container's route is the address at which its host is reached. A host that is reached over IPv4 has
IPv6 containers at the link-local address of its link, as the kernel routes IPv4 by IPv6, but not IPv6 by IPv4.
"""

from collections.abc import Collection, Mapping
from ipaddress import IPv6Address

from netlink.direct_routes import FoundRoute
from netlink.values import dataclass
from plugin.options.tunnel import DIRECT
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


def doubt_about_way(tunnel: str, address: Address, hop: Hop | None, versions: Collection[int]) -> str:
    """Return why nothing leads to containers of the host at ``address``, or only to those of some IP version, or ""."""
    if tunnel != DIRECT or (hop and hop.by.keys() >= set(versions)):
        return ""
    if hop:
        return (
            f"at {address}, it has announced no link-local IPv6 address, by which pynet.tunnel={DIRECT} reaches "
            "containers over IPv6"
        )
    return (
        f"address {address} is behind a router, or no route leads there, and pynet.tunnel={DIRECT} reaches only hosts "
        "on the same segment; pynet.tunnel=auto reaches both"
    )
