"""Which MAC an endpoint gets: its user's wish, or one that follows from its address, as long as nobody else has it.

A bridge sends the frames of a MAC to one port, and the guard lets each port use the MAC that it was given: two ports
with one MAC take each other's frames, and the gateway's MAC takes everybody's.
"""

from dataclasses import replace

from plugin.engine.names import Names
from plugin.errors import Conflict, InvalidRequest
from plugin.model.records import Endpoint, Network
from plugin.network.endpoint import endpoint_mac
from plugin.options.unicast import is_machines_mac

NO_MAC = "00:00:00:00:00:00"


def check_mac(mac: str) -> None:
    """Check that a link can have ``mac``; raises ``InvalidRequest`` (is_valid_ether_addr, linux/etherdevice.h)."""
    if not is_machines_mac(mac):
        what = "nobody's" if mac == NO_MAC else "a group's"
        raise InvalidRequest(f"MAC address '{mac}' is {what}, and a container needs one of its own")


def with_free_mac(
    network: Network, endpoint: Endpoint, wish: str | None, neighbour: Endpoint | None, names: Names
) -> Endpoint:
    """Return ``endpoint`` with a MAC that is free in ``network``; ``neighbour`` is a running endpoint that has its MAC.

    A MAC that nobody wished and that is taken gives way to another one.

    Raises:
        Conflict: the MAC that the user wished is the bridge's or a running neighbour's.
    """
    owner = _owner(network, endpoint.mac, neighbour, names)
    if not owner:
        return endpoint
    if wish:
        what = f"MAC address '{endpoint.mac}' is already in use in network {names.network(network.id)}"
        raise Conflict(f"{what} by {owner}")
    return _with_other_mac(endpoint)


def as_given_before(known: Endpoint, endpoint: Endpoint, wish: str | None) -> Endpoint:
    """Return ``endpoint`` as a request that comes again means it: its MAC may have given way to a neighbour's."""
    other = _with_other_mac(endpoint)
    return other if not wish and known.mac == other.mac else endpoint


def _with_other_mac(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, mac=endpoint_mac(endpoint.id, None))


def _owner(network: Network, mac: str, neighbour: Endpoint | None, names: Names) -> str:
    if mac == network.mac:
        return f"its bridge '{network.link}'"
    return names.container(neighbour.id) if neighbour else ""
