"""Bridge mode: a Linux bridge with gateway addresses and rules for each network, a veth pair for each endpoint.

    container                     host
    ┌────────────┐               ┌──────────────────────────────────┐
    │ eth0  ◄────┼── veth pair ──┼──► pnh…  ── bridge pn-…  ── rules ┼──► outside
    └────────────┘               └──────────────────────────────────┘

The bridge carries the gateway addresses of the network. The engine moves the container's end of the pair into the
container, renames it, and gives it its addresses and routes (moby daemon/libnetwork/osl/interface_linux.go).
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Interface
from itertools import chain
from typing import Any, cast

from netlink.bridge_port import BridgePort
from netlink.errors import Missing
from netlink.links import Link, VethPair
from plugin.errors import InvalidRequest
from plugin.firewall.elements import endpoint_elements, link_local, network_elements
from plugin.host.docker_bridges import is_docker_name
from plugin.host.link_addresses import check_families, give_addresses
from plugin.host.link_settings import bridge_settings
from plugin.host.own_links import OwnLinks
from plugin.host.sysctls import host_settings
from plugin.model.desired import Desired, WantedLink, WantedSetting
from plugin.model.link_owner import Owner
from plugin.model.names import (
    BRIDGE,
    ENDPOINT,
    HOST_END,
    bridge_alias,
    bridge_name,
    container_link_name,
    host_link_name,
    local_mac,
    port_alias,
)
from plugin.model.records import Endpoint, Network, NetworkSubnet
from plugin.modes.base import Capability, HostParts, LinkKind
from plugin.options.network import ISOLATED, NetworkSettings
from plugin.options.option import Option
from plugin.options.unicast import unusable
from plugin.protocol.messages import CreateNetwork, InterfaceAddress, IpamData, JoinReply
from plugin.request.undo import Undo


class BridgeMode:
    """Networks of one host; other modes may put more into such a bridge, and choose the MAC of the bridge."""

    name = "bridge"
    summary = "a network of one host"
    options: Sequence[Option[Any]] = ()
    does = frozenset({Capability.HOST_GATEWAY, Capability.PUBLISHES})
    links: Sequence[LinkKind] = (LinkKind(BRIDGE, "bridge"), LinkKind(HOST_END, "veth", ENDPOINT, port=True))

    def __init__(self, parts: HostParts) -> None:
        self._kernel = parts.kernel
        self._firewall = parts.firewall
        self._settings = parts.settings
        self._owner = parts.owner
        self._links = OwnLinks(parts.kernel, Owner(parts.owner))

    @staticmethod
    def rebuilt(network: Network, links: Sequence[Link]) -> Network:
        """Return the network unchanged: a bridge shows all that there is."""
        del links
        return network

    def plan(self, request: CreateNetwork, settings: NetworkSettings, mode: str = name) -> Network:
        """Return the network of ``request``.

        Raises:
            InvalidRequest: subnets that a bridge cannot serve, options that contradict each other, or a link that pynet
                must not use.
        """
        subnets = (*_subnets(request.ipv4_data, mode, 4), *_subnets(request.ipv6_data, mode, 6))
        if not subnets:
            raise InvalidRequest(
                f"a network of mode {mode} needs an IPv4 or an IPv6 subnet, and the request has neither"
            )
        _check_modes(settings, internal=request.options.internal)
        link = settings.bridge_name or bridge_name(request.network_id)
        self._check_link(link, settings)
        if not self._kernel.link_exists(link):
            _check_sources(settings, subnets)
        return Network(
            id=request.network_id,
            mode=mode,
            link=link,
            internal=request.options.internal,
            subnets=subnets,
            options=dict(request.options.generic),
        )

    def create_network(self, network: Network, undo: Undo, mac: str = "") -> Network:
        """Bridge, rules, host settings, gateway addresses: in this order, so that nothing flows before the rules."""
        check_families(network)
        network = self._take_link(network, mac, undo)
        self._firewall.put(network.link, network_elements(network))
        undo.push(self._firewall.forget, network.link)
        self._settings.prepare(network, undo)
        wanted = [address for address in network.gateway_addresses if address not in network.found]
        give_addresses(self._kernel, network, wanted, undo)
        return network

    def resume(self, network: Network) -> None:
        """Nothing goes on but what the kernel does."""

    def delete_network(self, network: Network) -> list[str]:
        """Take the addresses off at once, so that the subnet is free; the link and its rules go after the reply."""
        ours = not network.owns_link or self._links.find(network.link, network.id)
        for address in network.gateway_addresses if ours else ():
            if address not in network.found:
                with suppress(Missing):
                    self._kernel.delete_address(network.link, address)
        if not network.owns_link:
            self._firewall.forget(network.link)
        return [network.link] if network.owns_link else []

    def create_endpoint(self, network: Network, endpoint: Endpoint, undo: Undo) -> None:
        """Write the rules of the endpoint, then make a veth pair with its host end in the bridge.

        Raises:
            Conflict: another link has its name, as that of an endpoint whose id begins alike.
        """
        pair = VethPair(
            host=host_link_name(endpoint.id),
            peer=container_link_name(endpoint.id),
            peer_mac=endpoint.mac,
            master=network.link,
            mtu=network.mtu,
            alias=port_alias(self._owner, network, endpoint),
            port=_port(network, endpoint),
            settings={setting.path: setting.value for setting in port_settings(host_link_name(endpoint.id))},
        )
        self._links.clear(pair.host, endpoint.id)
        self._firewall.put(pair.host, endpoint_elements(network, endpoint))
        undo.push(self._firewall.forget, pair.host)
        undo.push(self._links.remove, pair.host, endpoint.id)  # before: an answer may be lost
        self._kernel.add_veth(pair)

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        """Leave the pair to the reaper: one end takes the other with it, wherever that is."""
        del network
        return [host_link_name(endpoint.id)]

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        """Name the container's end, and the gateways if there is a way out through this network."""
        settings = network.settings
        routed_here = network.leads_out
        gateway = network.router(4) if endpoint.ipv4 and routed_here else None
        gateway_ipv6 = network.router(6) if endpoint.ipv6 and routed_here else None
        return JoinReply(
            src_name=container_link_name(endpoint.id),
            dst_prefix=settings.interface_prefix,
            gateway=cast("IPv4Address | None", gateway),
            gateway_ipv6=cast("IPv6Address | None", gateway_ipv6),
        )

    def desired(self, network: Network, endpoints: Sequence[Endpoint]) -> Desired:
        """Return the bridge, a port of it for each endpoint, gateway addresses, settings and rules."""
        alias, adopted = bridge_alias(self._owner, network), not network.owns_link
        own = WantedLink(network.link, "bridge", alias, network.mac, network.mtu, adopted=adopted)
        ports = [
            WantedLink(
                host_link_name(end.id),
                "veth",
                port_alias(self._owner, network, end),
                "",
                network.mtu,
                master=network.link,
                endpoint=end.id,
                port=_port(network, end),
            )
            for end in endpoints
        ]
        return Desired(
            network=network.id,
            links=(own, *ports),
            addresses=[(network.link, address) for address in _own_addresses(network)],
            settings=[*bridge_settings(network), *chain.from_iterable(port_settings(port.name) for port in ports)],
            host=host_settings(network),
            elements={network.link: network_elements(network)}
            | {host_link_name(end.id): endpoint_elements(network, end) for end in endpoints},
        )

    def make_link(self, network: Network, link: str, undo: Undo, mac: str = "") -> Network:
        """Make the bridge with its settings; it is pynet's own from then on, also in the place of an adopted one."""
        del link  # a network has one
        mac = mac or _bridge_mac(network.id)
        # Before: an answer that is lost leaves open whether it was made.
        undo.push(self._links.remove, network.link, network.id)
        self._links.clear(network.link, network.id)
        self._kernel.add_bridge(network.link, mac, network.mtu)
        network = replace(network, owns_link=True, found=(), mac=mac)
        settings = {each.path: each.value for each in bridge_settings(network)}
        self._kernel.finish_link(network.link, bridge_alias(self._owner, network), settings)
        return network

    def in_container(self, endpoint: Endpoint) -> bool:
        """Look where the other end of the pair is; the engine puts it back when a container leaves."""
        own, other = host_link_name(endpoint.id), container_link_name(endpoint.id)
        return self._kernel.link_exists(own) and not self._kernel.link_exists(other)

    def _check_link(self, name: str, settings: NetworkSettings) -> None:
        """Refuse a link that cannot be the network's bridge, where the user chose one."""
        if not settings.bridge_name:
            return
        if is_docker_name(name):
            raise InvalidRequest(
                f"option '{NetworkSettings.bridge_name.key}': '{name}' is a name of Docker's own bridges"
            )
        link = self._kernel.link(name)
        if link is not None and link.kind != "bridge":
            raise InvalidRequest(
                f"option '{NetworkSettings.bridge_name.key}': the existing interface '{name}' is not a bridge"
            )

    def _take_link(self, network: Network, mac: str, undo: Undo) -> Network:
        """Make the bridge, or use the one that the user chose and that exists."""
        link = network.link
        settings = network.settings
        if settings.bridge_name:
            self._links.remove(link, network.id)  # left from a request that was killed
        found_link = self._kernel.link(link) if settings.bridge_name else None
        if found_link is not None:
            self._kernel.set_up(link)
            there = [address for address in self._kernel.addresses_of(link) if not address.is_link_local]
            found = tuple(address for address in network.gateway_addresses if address in there)
            mac = found_link.mac
            if not settings.icc:
                self._kernel.set_mac(link, mac)  # one that nobody has set follows the ports, and rules name this one
            return replace(network, owns_link=False, found=found, mac=mac)
        return self.make_link(network, link, undo, mac)


def _bridge_mac(network_id: str) -> str:
    """Return the same local address each time, so that a bridge made anew keeps its containers' neighbour entries."""
    return local_mac(network_id.encode())


def port_settings(link: str) -> list[WantedSetting]:
    """Return the sysctls of a port ``link``: it has no IPv6 of its own, so nobody on the bridge can speak to it."""
    wanted = {"disable_ipv6": "1", "accept_ra": "0"}
    return [WantedSetting(f"net/ipv6/conf/{link}/{key}", value, link, optional=True) for key, value in wanted.items()]


def _port(network: Network, endpoint: Endpoint) -> BridgePort:
    """Tell the bridge which MACs are behind the port; without the guard there may be any, and it learns them."""
    guard = endpoint.guard(network)
    return BridgePort(macs=(endpoint.mac, *guard.allowed.macs)) if guard.on else BridgePort(learning=True)


def _own_addresses(network: Network) -> list[InterfaceAddress]:
    """Return the addresses that pynet, or the kernel for its bridge, gave to the bridge.

    Without the link-local one the host cannot ask for the containers' MACs.
    """
    given = [address for address in network.gateway_addresses if address not in network.found]
    if network.owns_link and network.mac and any(address.version == 6 for address in given):
        given.append(IPv6Interface((link_local(network.mac), 64)))
    return given


def _check_modes(settings: NetworkSettings, *, internal: bool) -> None:
    for version, option in ((4, NetworkSettings.gateway_mode_ipv4), (6, NetworkSettings.gateway_mode_ipv6)):
        if settings.gateway_mode(version) == ISOLATED and not internal:
            raise InvalidRequest(f"option '{option.key}': {ISOLATED} is for internal networks only, see --internal")


def _check_sources(settings: NetworkSettings, subnets: Sequence[NetworkSubnet]) -> None:
    """Refuse a container's address as the source of what leaves; a bridge that exists may have the host's own there."""
    for version, option in ((4, NetworkSettings.host_ipv4), (6, NetworkSettings.host_ipv6)):
        source = settings.source_address(version)
        inside = next((subnet.pool for subnet in subnets if source is not None and source in subnet.pool), None)
        if inside is not None:
            raise InvalidRequest(
                f"option '{option.key}' must be an address of the host, not '{source}' of the network's own '{inside}'"
            )


def _subnets(data: tuple[IpamData, ...], mode: str, version: int) -> tuple[NetworkSubnet, ...]:
    """Return the one subnet of a family, as the built-in bridge demands (moby drivers/bridge/bridge_linux.go)."""
    if len(data) > 1:
        pools = ", ".join(str(item.pool) for item in data)
        raise InvalidRequest(f"a network of mode {mode} takes one IPv{version} subnet, not {len(data)}: {pools}")
    for item in data:
        if item.pool.prefixlen == 0:
            raise InvalidRequest(
                f"a network of mode {mode} needs an address manager that gives subnets, not one that gives {item.pool}"
            )
        if what := unusable(item.pool):
            raise InvalidRequest(f"subnet '{item.pool}' holds {what}, which no container can use")
    return tuple(NetworkSubnet(item.pool, item.gateway, dict(item.aux_addresses), item.address_space) for item in data)
