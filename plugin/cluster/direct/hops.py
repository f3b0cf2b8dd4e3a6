"""Decides by which way packets go to another host of a network: through the tunnel, or directly. No I/O.

The next hop of a container's route is the address at which its host is reached. A host that is reached over IPv4 has
IPv6 containers at the link-local address of its link, as the kernel routes IPv4 by IPv6, but not IPv6 by IPv4.

A host takes packets without a tunnel only if it would answer the same way, so both have to reach each other directly.
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


Hops = Mapping[Address, Hop | None]  # by the address of the host, None behind a router; without those out of reach


def hop_to(place: HostPlace, way: FoundRoute) -> Hop | None:
    """Return the next hop towards a host that the kernel reaches by ``way``, None if it is not on this segment."""
    if way.gateway:
        return None
    by: dict[int, Address] = {4: place.address, place.address.version: place.address}
    if 6 not in by and place.link_local and place.link_local.is_link_local:
        by[6] = place.link_local
    return Hop(way.link, by)


def doubt_about_way(
    tunnel: str, address: Address, hop: Hop | None, versions: Collection[int], *, mutual: bool = True
) -> str:
    """Return why nothing leads to containers of the host at ``address``, or only to those of some IP version, or "".

    ``mutual`` says that the host does not reach this one by a router.
    """
    if tunnel != DIRECT or (hop and mutual and hop.by.keys() >= set(versions)):
        return ""
    if hop and not mutual:
        return (
            f"address {address} is on the same segment, but that host reaches this one by a router, and drops what "
            f"comes to it without one; compare 'ip route get' of both hosts: pynet.tunnel={DIRECT} needs routes "
            "without a gateway on both, and pynet.tunnel=auto takes the tunnel"
        )
    if hop:
        return (
            f"at {address}, it has announced no link-local IPv6 address, by which pynet.tunnel={DIRECT} reaches "
            "containers over IPv6"
        )
    return (
        f"address {address} is behind a router, or no route leads there, and pynet.tunnel={DIRECT} reaches only hosts "
        "on the same segment; pynet.tunnel=auto reaches both"
    )
