"""A mode in one file, as somebody might add it: a bare bridge on which the host has no address, for nobody outside."""

from collections.abc import Sequence
from dataclasses import replace

from netlink.links import Link
from plugin.firewall.elements import endpoint_elements, network_elements
from plugin.model.desired import Desired, WantedLink
from plugin.model.names import ENDPOINT, HOST_END, NETWORK, Alias, container_link_name
from plugin.model.records import Endpoint, Network, NetworkSubnet
from plugin.modes.base import Capability, HostParts, LinkKind, Mode
from plugin.options.network import NetworkSettings
from plugin.options.option import Option, integer
from plugin.protocol.messages import CreateNetwork, JoinReply
from plugin.request.undo import Undo

BARE_BRIDGE, PORT = LinkKind("pnt", "bridge", at_once=True), LinkKind(HOST_END, "veth", ENDPOINT, port=True)


class ToySettings(NetworkSettings):
    """The options of a network of this mode."""

    room = Option("pynet.room", integer(68, 9000), 1500, "a number of bytes from 68 to 9000", "largest packet")


class ToyMode(Mode):
    """See the module's description."""

    name = "toy"
    summary = "leads nowhere"
    settings = ToySettings
    does: frozenset[Capability] = frozenset()
    links: Sequence[LinkKind] = (BARE_BRIDGE, PORT)

    def __init__(self, parts: HostParts) -> None:
        self._kernel, self._owner = parts.kernel, parts.owner

    @staticmethod
    def rebuilt(network: Network, links: Sequence[Link]) -> Network:
        own = any(Alias.read(link.alias).more == (ToyMode.name,) for link in links)
        return replace(network, mode=ToyMode.name, host_gateway=False) if own else network

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        subnets = tuple(NetworkSubnet(data.pool, data.gateway) for data in request.ipv4_data)
        link = BARE_BRIDGE.name(request.network_id)
        return Network(request.network_id, self.name, link, subnets=subnets, options=dict(request.options.generic))

    def prepare(self, network: Network, undo: Undo) -> Network:
        return self.owned(network)

    def owned(self, network: Network) -> Network:
        return replace(network, mac="02:00:00:00:00:70")

    def delete_network(self, network: Network) -> list[str]:
        return [network.link]

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        return [PORT.name(endpoint.id)]

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        return JoinReply(src_name=container_link_name(endpoint.id), dst_prefix="toy")

    def desired(self, network: Network) -> Desired:
        alias = str(Alias(self._owner, NETWORK, network.id, (self.name,)))
        bridge = WantedLink(network.link, BARE_BRIDGE.kernel, alias, network.mac, _mtu(network))
        return Desired(network.id, [bridge], elements={network.link: network_elements(network)})

    def desired_port(self, network: Network, endpoint: Endpoint) -> Desired:
        name, alias = PORT.name(endpoint.id), str(Alias(self._owner, ENDPOINT, endpoint.id))
        peer = container_link_name(endpoint.id)
        port = WantedLink(
            name,
            PORT.kernel,
            alias,
            mtu=_mtu(network),
            master=network.link,
            endpoint=endpoint.id,
            peer=peer,
            peer_mac=endpoint.mac,
        )
        return Desired(network.id, [port], elements={name: endpoint_elements(network, endpoint)})

    def in_container(self, endpoint: Endpoint) -> bool:
        return not self._kernel.link_exists(container_link_name(endpoint.id))


def _mtu(network: Network) -> int:
    return ToySettings.readable(network.options).room
