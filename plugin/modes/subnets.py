"""From the pools of a request to the subnets of a network, which has none if its LAN's DHCP server gives addresses."""

from collections.abc import Sequence

from plugin.errors import InvalidRequest
from plugin.model.records import NetworkSubnet
from plugin.options.dhcp import DhcpSettings
from plugin.options.network import NetworkSettings
from plugin.options.unicast import unusable
from plugin.protocol.messages import IpamData

NULL = "--ipam-driver null"


def subnet_of(item: IpamData) -> NetworkSubnet:
    """Return the subnet of a pool; raises ``InvalidRequest`` if no container can have its addresses."""
    if what := unusable(item.pool):
        raise InvalidRequest(f"subnet '{item.pool}' holds {what}, which no container can use")
    return NetworkSubnet(item.pool, item.gateway, dict(item.aux_addresses), item.address_space)


def given_subnets(data: Sequence[IpamData], settings: NetworkSettings) -> tuple[NetworkSubnet, ...]:
    """Return the subnets that an address manager gave; none with DHCP, for which the engine's null manager stands in.

    Raises:
        InvalidRequest: there is a pool beside DHCP, none without it, or one that no container can use.
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
    return tuple(map(subnet_of, given))
