"""Which pools of addresses a network may have whose containers ask the LAN's DHCP server."""

from collections.abc import Sequence

from plugin.errors import InvalidRequest
from plugin.options.dhcp import DhcpSettings
from plugin.options.network import NetworkSettings
from plugin.protocol.messages import IpamData

NULL = "--ipam-driver null"


def given_pools(data: Sequence[IpamData], settings: NetworkSettings) -> Sequence[IpamData]:
    """Return the pools that an address manager gave; none with DHCP, for which the engine's null manager stands in.

    Raises:
        InvalidRequest: there is a pool beside DHCP, or none without it.
    """
    dhcp = isinstance(settings, DhcpSettings) and settings.dhcp
    given = [each for each in data if each.pool.prefixlen > 0]
    if dhcp and (given or not any(each.pool.version == 4 for each in data)):
        what = f"'{given[0].pool}' comes from another manager" if given else "it has none for IPv4"
        raise InvalidRequest(
            f"option '{DhcpSettings.dhcp.key}': the LAN's server manages the addresses of the network, and {what}; "
            f"create it with {NULL} and without --subnet"
        )
    if not dhcp and len(given) < len(data):
        raise InvalidRequest(
            f"the network has no addresses for containers with {NULL}; add -o {DhcpSettings.dhcp.key}=on to have them "
            "leased by the LAN's DHCP server"
        )
    return given
