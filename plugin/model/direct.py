"""What of a network is reached without the host's addresses, and whether a container may have its gateway there."""

from plugin.model.records import Endpoint, Network
from plugin.options.network import NETWORK_OPTIONS, PUBLISH, ROUTED, UNPROTECTED, gateway_mode
from plugin.options.option import read_options
from plugin.protocol.messages import Address


def direct_addresses(network: Network, endpoint: Endpoint) -> list[Address]:
    """Return the addresses of ``endpoint`` that machines outside of ``network`` may reach."""
    options = read_options(NETWORK_OPTIONS, network.options)
    return [
        own.ip
        for own in (endpoint.ipv4, endpoint.ipv6)
        if own is not None and not network.internal and gateway_mode(options, own.version) in {ROUTED, UNPROTECTED}
    ]


def leads_out(network: Network) -> bool:
    """Say whether containers have a way out through ``network``, where it is their gateway."""
    return not network.internal and read_options(NETWORK_OPTIONS, network.options)[PUBLISH] == "pynet"
