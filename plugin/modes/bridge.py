"""Bridge mode: a Linux bridge for each network, a veth pair for each endpoint (``plugin.modes.hostbridge``)."""

from collections.abc import Sequence

from plugin.errors import InvalidRequest
from plugin.model.desired import Desired
from plugin.model.names import local_mac
from plugin.model.records import DEFAULT_MTU, Endpoint, Network
from plugin.modes.hostbridge import HostBridge
from plugin.options.network import OVERLAY_OPTIONS, NetworkSettings
from plugin.protocol.messages import CreateNetwork, JoinReply
from plugin.request.undo import Undo


class BridgeMode:
    """A network of one host."""

    def __init__(self, bridge: HostBridge) -> None:
        self._bridge = bridge

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        """Return the network of ``request``; raises ``InvalidRequest`` for what a bridge cannot serve."""
        for option in OVERLAY_OPTIONS:
            if option.key in request.options.generic:
                raise InvalidRequest(
                    f"option '{option.key}' is for mode overlay only: add -o {NetworkSettings.mode.key}=overlay"
                )
        return self._bridge.plan(request, settings, "bridge")

    def create_network(self, network: Network, undo: Undo) -> Network:
        """Make the bridge, or take the one that the user chose."""
        return self._bridge.make(network, _bridge_mac(network.id), _mtu(network), undo)

    def delete_network(self, network: Network) -> list[str]:
        """Take the addresses off at once; the link goes after the reply."""
        return self._bridge.unmake(network)

    def create_endpoint(self, network: Network, endpoint: Endpoint, undo: Undo) -> None:
        """Put a veth pair into the bridge."""
        self._bridge.attach(network, endpoint, _mtu(network), undo)

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        """Leave the pair to the reaper."""
        del network
        return self._bridge.detach(endpoint)

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        """Name the container's end, and the gateways."""
        return self._bridge.join(network, endpoint)

    def desired(self, network: Network, endpoints: Sequence[Endpoint]) -> Desired:
        """The bridge with its ports and rules."""
        return self._bridge.desired(network, endpoints, _mtu(network))

    def make_link(self, network: Network, link: str, undo: Undo) -> Network:
        """Make the bridge again."""
        del link  # a network has one
        return self._bridge.make_bridge(network, _bridge_mac(network.id), _mtu(network), undo)

    def in_container(self, endpoint: Endpoint) -> bool:
        """Look where the other end of the pair is."""
        return self._bridge.in_container(endpoint)


def _mtu(network: Network) -> int:
    return network.settings.mtu or DEFAULT_MTU


def _bridge_mac(network_id: str) -> str:
    """Return the same local address each time, so that a bridge made anew keeps its containers' neighbour entries."""
    return local_mac(network_id.encode())
