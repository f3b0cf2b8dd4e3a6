"""A mode whose containers have addresses of the LAN's DHCP server: the toy mode, on a link that pynet did not make."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network

from plugin.model.records import Network
from plugin.modes.subnets import given_subnets
from plugin.options.dhcp import DhcpSettings
from plugin.options.network import NetworkSettings
from plugin.protocol.messages import CreateEndpoint, CreateNetwork, EndpointOptions, Interface, IpamData, NetworkOptions
from tests.toy_mode import ToyMode, ToySettings
from tests.unit import requests as rq


class LeasedSettings(ToySettings, DhcpSettings):
    """The options of a network of this mode."""


class LeasedMode(ToyMode):
    """See the module's description."""

    name = "leased"
    settings = LeasedSettings

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        subnets = given_subnets((*request.ipv4_data, *request.ipv6_data), settings)
        network = super().plan(replace(request, ipv4_data=(), ipv6_data=()), settings)
        return replace(network, subnets=subnets)


def leased(network_id: str = rq.NETWORK_ID, pools: Sequence[str] = ("0.0.0.0/0",), **options: str) -> CreateNetwork:
    """Return the request for a network with DHCP; ``options`` are the mode's own."""
    own = {f"pynet.{key}": value for key, value in {"dhcp": "on", **options}.items() if value}
    data = tuple(IpamData(IPv4Network(pool)) for pool in pools)
    return CreateNetwork(network_id, NetworkOptions({"pynet.mode": "leased", **own}), data)


def asking(endpoint_id: str = rq.ENDPOINT_ID, mac: str | None = None, **options: str) -> CreateEndpoint:
    """Return the request for an endpoint without an address; ``options`` are driver options of pynet."""
    own = {f"pynet.{key}": value for key, value in options.items()}
    return CreateEndpoint(rq.NETWORK_ID, endpoint_id, Interface(mac_address=mac), EndpointOptions(driver_opts=own))
