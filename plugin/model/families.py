"""Which IP versions the links of a network can carry."""

from collections.abc import Collection

from plugin.model.records import Network
from plugin.options.network import MTU

LEAST_IPV6_MTU = 1280  # bytes (RFC 8200 section 5); the kernel takes IPv6 off a link below it
DEFAULT_MTU = 1500  # bytes, of an Ethernet-like link and of a bridge without ports (br_mtu_min, net/bridge/br_if.c)


def families(network: Network) -> Collection[int]:
    """Return the IP versions of the network's subnets that its links can carry."""
    versions = {subnet.pool.version for subnet in network.subnets}
    return versions - {6} if link_mtu(network) < LEAST_IPV6_MTU else versions


def link_mtu(network: Network) -> int:
    """Return the MTU of the network's links in bytes; an option that cannot be read counts as ``DEFAULT_MTU``."""
    if network.overlay is not None:
        return network.overlay.mtu
    try:
        return MTU.parse(network.options.get(MTU.key, "0")) or DEFAULT_MTU
    except ValueError:
        return DEFAULT_MTU
