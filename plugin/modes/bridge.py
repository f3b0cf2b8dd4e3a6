"""Bridge mode: a Linux bridge for each network, a veth pair for each endpoint.

    container                     host
    ┌────────────┐               ┌──────────────────────────────────┐
    │ eth0  ◄────┼── veth pair ──┼──► pnh…  ── bridge pn-…  ── rules ┼──► outside
    └────────────┘               └──────────────────────────────────┘

The bridge carries the gateway addresses of the network. The engine moves the container's end of the pair into the
container, renames it, and gives it its addresses and routes (moby daemon/libnetwork/osl/interface_linux.go).
"""

import hashlib
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from typing import cast

from netlink.errors import Exists, Missing
from netlink.kernel import VethPair
from plugin.errors import InvalidRequest
from plugin.firewall.firewall import Firewall
from plugin.host_settings import HostSettings
from plugin.messages import CreateNetwork, IpamData, JoinReply
from plugin.model import Endpoint, Network, NetworkSubnet, bridge_name, container_link_name, host_link_name
from plugin.network_options import LINK_PREFIX, MTU, NETWORK_OPTIONS
from plugin.options import Values, read_options
from plugin.ports import Kernel
from plugin.undo import Undo

DEFAULT_MTU = 1500  # bytes, what the kernel gives to an Ethernet-like link


class BridgeMode:
    """See the module's description."""

    def __init__(self, kernel: Kernel, firewall: Firewall, settings: HostSettings, owner: str) -> None:
        self._kernel = kernel
        self._firewall = firewall
        self._settings = settings
        self._owner = owner

    def plan(self, request: CreateNetwork, options: Values) -> Network:
        """Return the network of ``request``; raises ``InvalidRequest`` for subnets that a bridge cannot serve."""
        del options  # every one of them is legal for a bridge
        subnets = (*_subnets(request.ipv4_data, 4), *_subnets(request.ipv6_data, 6))
        if not subnets:
            raise InvalidRequest("a bridge network needs an IPv4 or an IPv6 subnet, and the request has neither")
        return Network(
            id=request.network_id,
            mode="bridge",
            link=bridge_name(request.network_id),
            internal=request.options.internal,
            subnets=subnets,
            options=dict(request.options.generic),
        )

    def create_network(self, network: Network, options: Values, undo: Undo) -> None:
        """Bridge, gateway addresses, host settings, rules: in this order, so that nothing flows before the rules."""
        link = network.link
        self._fresh_bridge(link, _bridge_mac(network.id), options[MTU] or DEFAULT_MTU)
        undo.push(self._kernel.delete_link, link)
        self._kernel.set_alias(link, f"{self._owner}/network/{network.id}")
        self._firewall.open_network(network)
        undo.push(self._firewall.close_networks, link)
        self._settings.prepare(network, undo)
        for subnet in network.subnets:
            if subnet.gateway is not None:
                self._kernel.add_address(link, subnet.gateway)

    def delete_network(self, network: Network) -> list[str]:
        """Take the addresses off at once, so that the subnet is free; the link and its rules go after the reply."""
        for subnet in network.subnets:
            self._take_off(network.link, subnet)
        return [network.link] if network.owns_link else []

    def create_endpoint(self, network: Network, endpoint: Endpoint, undo: Undo) -> None:
        """One veth pair, with its host end in the bridge and both ends at the network's MTU."""
        options = read_options(NETWORK_OPTIONS, network.options)
        pair = VethPair(
            host=host_link_name(endpoint.id),
            peer=container_link_name(endpoint.id),
            peer_mac=endpoint.mac,
            master=network.link,
            mtu=options[MTU] or DEFAULT_MTU,
        )
        self._fresh_veth(pair)
        undo.push(self._kernel.delete_link, pair.host)
        self._kernel.set_alias(pair.host, f"{self._owner}/endpoint/{endpoint.id}")

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        """Leave the pair to the reaper: one end takes the other with it, wherever that is."""
        del network
        return [host_link_name(endpoint.id)]

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        """Name the container's end, and the bridge as gateway unless the network is internal."""
        options = read_options(NETWORK_OPTIONS, network.options)
        gateway = network.gateway(4) if endpoint.ipv4 and not network.internal else None
        gateway_ipv6 = network.gateway(6) if endpoint.ipv6 and not network.internal else None
        return JoinReply(
            src_name=container_link_name(endpoint.id),
            dst_prefix=options[LINK_PREFIX],
            gateway=cast("IPv4Address | None", gateway),
            gateway_ipv6=cast("IPv6Address | None", gateway_ipv6),
        )

    def _fresh_bridge(self, name: str, mac: str, mtu: int) -> None:
        """Make the bridge; one of that name is left from a request that was killed, as the name comes from the id."""
        try:
            self._kernel.add_bridge(name, mac, mtu)
        except Exists:
            self._kernel.delete_link(name)
            self._kernel.add_bridge(name, mac, mtu)

    def _fresh_veth(self, pair: VethPair) -> None:
        try:
            self._kernel.add_veth(pair)
        except Exists:
            self._kernel.delete_link(pair.host)
            self._kernel.add_veth(pair)

    def _take_off(self, link: str, subnet: NetworkSubnet) -> None:
        if subnet.gateway is not None:
            with suppress(Missing):
                self._kernel.delete_address(link, subnet.gateway)


def _subnets(data: tuple[IpamData, ...], version: int) -> tuple[NetworkSubnet, ...]:
    """Return the one subnet of a family, as the built-in bridge demands (moby drivers/bridge/bridge_linux.go)."""
    if len(data) > 1:
        pools = ", ".join(str(item.pool) for item in data)
        raise InvalidRequest(f"a bridge network takes one IPv{version} subnet, not {len(data)}: {pools}")
    for item in data:
        if item.pool.prefixlen == 0:
            raise InvalidRequest(
                f"a bridge network needs an address manager that gives subnets, not one that gives {item.pool}"
            )
    return tuple(NetworkSubnet(item.pool, item.gateway, dict(item.aux_addresses)) for item in data)


def _bridge_mac(network_id: str) -> str:
    """Return the same local address each time, so that a bridge made anew keeps its containers' neighbour entries."""
    return "02:" + hashlib.sha256(network_id.encode()).digest()[:5].hex(":")
