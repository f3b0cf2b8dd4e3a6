"""Which addresses the host has in the subnets of a network."""

from plugin.model.families import families
from plugin.model.records import Network
from plugin.options.network import INHIBIT_IPV4, ISOLATED, NETWORK_OPTIONS, gateway_mode
from plugin.options.option import read_options
from plugin.protocol.messages import InterfaceAddress


def gateway_addresses(network: Network) -> list[InterfaceAddress]:
    """Return the addresses that belong on the bridge; an external router, or nowhere to go, leaves them off."""
    options = read_options(NETWORK_OPTIONS, network.options)
    return [
        subnet.gateway
        for subnet in network.subnets
        if network.on_host
        and subnet.gateway is not None
        and subnet.pool.version in families(network)
        and gateway_mode(options, subnet.pool.version) != ISOLATED
        and not (options[INHIBIT_IPV4] and subnet.pool.version == 4)
    ]
