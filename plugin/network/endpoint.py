"""From a CreateEndpoint request to the record of an endpoint, with a MAC that nobody else has.

The MAC is the user's wish, or it follows from the address. A bridge sends the frames of a MAC to one port, and the
guard lets each port use the MAC that it was given: two ports with one MAC would take each other's frames, and the
gateway's MAC would take everybody's.
"""

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface

from plugin.engine.names import Names
from plugin.errors import Conflict, InvalidRequest
from plugin.model.names import local_mac
from plugin.model.records import Endpoint, Network
from plugin.options.network import EndpointSettings
from plugin.options.unicast import is_machines_mac
from plugin.protocol.messages import CreateEndpoint, InterfaceAddress

NO_MAC = "00:00:00:00:00:00"


def endpoint_of(request: CreateEndpoint) -> Endpoint:
    """Return the record.

    Raises:
        InvalidRequest: a bad option, an address of the wrong family, or a MAC that no link can have
            (is_valid_ether_addr, linux/etherdevice.h).
    """
    EndpointSettings.read(request.options.driver_opts)
    ipv4, ipv6 = request.interface.address, request.interface.address_ipv6
    if ipv4 is not None and not isinstance(ipv4, IPv4Interface):
        raise InvalidRequest(f"the endpoint's Address must be an IPv4 address, not {ipv4}")
    if ipv6 is not None and not isinstance(ipv6, IPv6Interface):
        raise InvalidRequest(f"the endpoint's AddressIPv6 must be an IPv6 address, not {ipv6}")
    mac = request.interface.mac_address or endpoint_mac(request.endpoint_id, ipv4 or ipv6)
    if not is_machines_mac(mac):
        what = "nobody's" if mac == NO_MAC else "a group's"
        raise InvalidRequest(f"MAC address '{mac}' is {what}, and a container needs one of its own")
    return Endpoint(
        id=request.endpoint_id,
        network_id=request.network_id,
        mac=mac,
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


def with_free_mac(
    network: Network, endpoint: Endpoint, wish: str | None, neighbour: Endpoint | None, names: Names
) -> Endpoint:
    """Return ``endpoint`` with a MAC that is free in ``network``; ``neighbour`` is a running endpoint that has its MAC.

    A MAC that is taken gives way to another one, unless it is the user's ``wish``.

    Raises:
        Conflict: the bridge or the neighbour has the MAC that the user wished.
    """
    if endpoint.mac == network.mac:
        owner = f"its bridge '{network.link}'"
    elif neighbour is not None:
        owner = names.container(neighbour.id)
    else:
        return endpoint
    if not wish:
        return _with_other_mac(endpoint)
    what = f"MAC address '{endpoint.mac}' is already in use in network {names.network(network.id)}"
    raise Conflict(f"{what} by {owner}")


def as_given_before(known: Endpoint, endpoint: Endpoint, wish: str | None, shared: str) -> Endpoint:
    """Return ``endpoint`` as a repeated request means it.

    At the first one its MAC may have given way to another, or to the ``shared`` one of its network, if that is not "".
    """
    given = not wish and known.mac in (shared, _with_other_mac(endpoint).mac)
    return replace(endpoint, mac=known.mac) if given else endpoint


def _with_other_mac(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, mac=endpoint_mac(endpoint.id, None))
