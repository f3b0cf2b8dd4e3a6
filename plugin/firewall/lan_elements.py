"""Elements for networks on a user's own bridge, where the host is a neighbour like others, and no gateway.

The tables judge frames at the ports of containers alone: nothing that the host routes, into the LAN or out of it, is
pynet's. So these networks have no element of family inet but one, by which frames pass from port to port.
"""

from collections.abc import Iterator

from netlink.nft_elements import Element
from plugin.firewall import sets
from plugin.firewall.elements import guard_elements, link_local
from plugin.firewall.policy_elements import frame_elements
from plugin.model.elements import Elements
from plugin.model.names import host_link_name
from plugin.model.policy import policy_of
from plugin.model.records import Endpoint, Network

_LAST_64 = (1 << 64) - 1  # bits of an IPv6 address: the identifier of the interface (RFC 4291)


def lan_elements(network: Network) -> Elements:
    """Return the elements of ``network``."""
    return (sets.LANS.element(network.link, network.link),)


def lan_port_elements(network: Network, endpoint: Endpoint) -> Elements:
    """Return the elements of the port of ``endpoint``."""
    return tuple(_of_port(network, endpoint))


def _of_port(network: Network, endpoint: Endpoint) -> Iterator[Element]:
    policy = policy_of(network, endpoint)
    if policy.ruled:
        yield sets.LAN_PORTS.element(host_link_name(endpoint.id))
    guard = endpoint.guard(network)
    pairs = sets.PORT_ADDRESSES if policy.allow_out is None else sets.EGRESS_ADDRESSES
    yield from guard_elements(endpoint, guard, pairs, on_lan=True)
    for mac in [endpoint.mac, *guard.allowed.macs] if guard.on and policy.allow_out is None else ():
        identifier = int(link_local(mac)) & _LAST_64
        yield sets.PORT_IDS.element(host_link_name(endpoint.id), identifier)
        yield sets.TARGET_IDS.element(host_link_name(endpoint.id), identifier)
    yield from frame_elements(network, endpoint, policy, (4, 6))
