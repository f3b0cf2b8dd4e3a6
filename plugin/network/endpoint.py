"""From a CreateEndpoint request to the record of an endpoint."""

from ipaddress import IPv4Interface, IPv6Interface

from plugin.errors import InvalidRequest
from plugin.model.names import local_mac
from plugin.model.records import Endpoint
from plugin.options.network import EndpointSettings
from plugin.protocol.messages import CreateEndpoint, InterfaceAddress


def endpoint_of(request: CreateEndpoint) -> Endpoint:
    """Return the record; raises ``InvalidRequest`` for a bad option or an address of the wrong family."""
    EndpointSettings.read(request.options.driver_opts)
    ipv4, ipv6 = request.interface.address, request.interface.address_ipv6
    if ipv4 is not None and not isinstance(ipv4, IPv4Interface):
        raise InvalidRequest(f"the endpoint's Address must be an IPv4 address, not {ipv4}")
    if ipv6 is not None and not isinstance(ipv6, IPv6Interface):
        raise InvalidRequest(f"the endpoint's AddressIPv6 must be an IPv6 address, not {ipv6}")
    return Endpoint(
        id=request.endpoint_id,
        network_id=request.network_id,
        mac=request.interface.mac_address or endpoint_mac(request.endpoint_id, ipv4 or ipv6),
        ipv4=ipv4,
        ipv6=ipv6,
        driver_opts=dict(request.options.driver_opts),
    )


def endpoint_mac(endpoint_id: str, address: InterfaceAddress | None) -> str:
    """Return a locally administered MAC that follows from the address.

    A container that takes over an address takes over its MAC too, so neighbours' caches stay right (moby did the same
    for IPv4, 02:42 and the address, until 28.0). Without an address it follows from the endpoint's id.
    """
    if address is None:
        return local_mac(endpoint_id.encode())
    return "02:42:" + address.packed[-4:].hex(":") if address.version == 4 else local_mac(address.packed)
