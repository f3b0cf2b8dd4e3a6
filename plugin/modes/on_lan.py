"""Parts of the modes whose containers are machines of a LAN, with a gateway other than the host."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import cast

from plugin.errors import InvalidRequest
from plugin.model.records import Endpoint, Network, NetworkSubnet
from plugin.options.network import NetworkSettings
from plugin.protocol.messages import Address, InterfaceAddress, JoinReply

# Options about the way through the host, which is no gateway of such containers.
OF_GATEWAYS = (
    NetworkSettings.gateway_mode_ipv4,
    NetworkSettings.gateway_mode_ipv6,
    NetworkSettings.masquerade,
    NetworkSettings.inhibit_ipv4,
    NetworkSettings.forwarding,
    NetworkSettings.host_ipv4,
    NetworkSettings.host_ipv6,
    NetworkSettings.trusted,
    NetworkSettings.dns,
)

GatewayOf = Callable[[NetworkSubnet], InterfaceAddress | None]


def with_gateways(reply: JoinReply, network: Network, endpoint: Endpoint, gateway_of: GatewayOf) -> JoinReply:
    """Return a reply with the gateways of the endpoint's subnets; the engine's own gateway network stays away.

    There is none where the user gave none, or the network is internal.
    """
    gateway, gateway_ipv6 = (_gateway(network, address, gateway_of) for address in (endpoint.ipv4, endpoint.ipv6))
    return replace(
        reply,
        gateway=cast("IPv4Address | None", gateway),
        gateway_ipv6=cast("IPv6Address | None", gateway_ipv6),
        disable_gateway_service=True,
    )


def refuse_other_mtu(before: Network, after: Network) -> None:
    """Refuse another MTU for a running network; raises ``InvalidRequest``."""
    if before.settings.mtu != after.settings.mtu:
        raise InvalidRequest(
            f"option '{NetworkSettings.mtu.key}': links of mode {before.mode} are in their containers; remove the "
            "network and create it again"
        )


def _gateway(network: Network, address: InterfaceAddress | None, gateway_of: GatewayOf) -> Address | None:
    if address is None or network.internal:
        return None
    subnet = next((own for own in network.subnets if address.ip in own.pool), None)
    gateway = gateway_of(subnet) if subnet else None
    return gateway.ip if gateway else None
