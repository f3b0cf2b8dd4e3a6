"""A mode in one file, as somebody might add it: a bare bridge on which the host has no address, for nobody outside."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from netlink.bridge_port import BridgePort
from netlink.links import Link, VethPair
from plugin.firewall.elements import endpoint_elements, network_elements
from plugin.host.own_links import OwnLinks
from plugin.model.desired import Desired, WantedLink
from plugin.model.link_owner import Owner
from plugin.model.names import CONTAINER_END, ENDPOINT, HOST_END, ID_LENGTH, NETWORK, Alias
from plugin.model.records import Endpoint, Network, NetworkSubnet
from plugin.modes.base import Capability, HostParts, LinkKind
from plugin.options.network import NetworkSettings
from plugin.options.option import Option, OptionSet, integer
from plugin.protocol.messages import CreateNetwork, JoinReply
from plugin.request.undo import Undo

BARE_BRIDGE, PORT = LinkKind("pnt", "bridge", at_once=True), LinkKind(HOST_END, "veth", ENDPOINT, port=True)


class ToySettings(OptionSet):
    """What a user asked of a network of this mode."""

    mtu = Option("toy.mtu", integer(68, 9000), 1400, "a number of bytes from 68 to 9000", "largest packet")


class ToyMode:
    """See the module's description."""

    name = "toy"
    summary = "leads nowhere"
    options: Sequence[Option[Any]] = ToySettings.options()
    does: frozenset[Capability] = frozenset()
    links: Sequence[LinkKind] = (BARE_BRIDGE, PORT)

    def __init__(self, parts: HostParts) -> None:
        self._kernel, self._firewall, self._owner = parts.kernel, parts.firewall, parts.owner
        self._links = OwnLinks(parts.kernel, Owner(parts.owner))

    @staticmethod
    def rebuilt(network: Network, links: Sequence[Link]) -> Network:
        own = any(Alias.read(link.alias).more == (ToyMode.name,) for link in links)
        return replace(network, mode=ToyMode.name, host_gateway=False) if own else network

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        ToySettings.read(_own(request.options.generic))
        subnets = tuple(NetworkSubnet(data.pool, data.gateway) for data in request.ipv4_data)
        link = BARE_BRIDGE.name(request.network_id)
        return Network(request.network_id, self.name, link, subnets=subnets, options=dict(request.options.generic))

    def create_network(self, network: Network, undo: Undo) -> Network:
        self._firewall.put(network.link, network_elements(network))
        undo.push(self._firewall.forget, network.link)
        return self.make_link(network, network.link, undo)

    def resume(self, network: Network) -> None:
        pass

    def delete_network(self, network: Network) -> list[str]:
        return [network.link]

    def create_endpoint(self, network: Network, endpoint: Endpoint, undo: Undo) -> None:
        wanted = self._port(network, endpoint)
        self._firewall.put(wanted.name, endpoint_elements(network, endpoint))
        undo.push(self._firewall.forget, wanted.name)
        undo.push(self._links.remove, wanted.name, endpoint.id)
        peer = CONTAINER_END + endpoint.id[:ID_LENGTH]
        self._kernel.add_veth(
            VethPair(wanted.name, peer, endpoint.mac, network.link, wanted.mtu, wanted.alias, BridgePort(learning=True))
        )

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        return [PORT.name(endpoint.id)]

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        return JoinReply(src_name=CONTAINER_END + endpoint.id[:ID_LENGTH], dst_prefix="toy")

    def desired(self, network: Network, endpoints: Sequence[Endpoint]) -> Desired:
        elements = {PORT.name(end.id): endpoint_elements(network, end) for end in endpoints}
        links = [self._bridge(network), *(self._port(network, end) for end in endpoints)]
        return Desired(network.id, links, elements={network.link: network_elements(network), **elements})

    def make_link(self, network: Network, link: str, undo: Undo) -> Network:
        wanted = self._bridge(network)
        undo.push(self._links.remove, link, network.id)
        self._kernel.add_bridge(link, wanted.mac, wanted.mtu)
        self._kernel.finish_link(link, wanted.alias, {})
        return network

    def in_container(self, endpoint: Endpoint) -> bool:
        return not self._kernel.link_exists(CONTAINER_END + endpoint.id[:ID_LENGTH])

    def _bridge(self, network: Network) -> WantedLink:
        alias, mtu = Alias(self._owner, NETWORK, network.id, (self.name,)), _mtu(network)
        return WantedLink(network.link, BARE_BRIDGE.kernel, str(alias), "02:00:00:00:00:70", mtu)

    def _port(self, network: Network, endpoint: Endpoint) -> WantedLink:
        alias, mtu = Alias(self._owner, ENDPOINT, endpoint.id), _mtu(network)
        name, port = PORT.name(endpoint.id), BridgePort(learning=True)
        return WantedLink(name, PORT.kernel, str(alias), "", mtu, network.link, endpoint.id, port=port)


def _mtu(network: Network) -> int:
    return ToySettings.read(_own(network.options)).mtu


def _own(options: Mapping[str, str]) -> Mapping[str, str]:
    return {key: text for key, text in options.items() if key.startswith("toy.")}
