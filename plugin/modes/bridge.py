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
from ipaddress import IPv4Address, IPv6Address
from typing import cast

from netlink.bridge_port import BridgePort
from netlink.errors import Missing
from netlink.gso import KERNELS_OWN
from netlink.links import Link
from plugin.errors import InvalidRequest, Unsupported
from plugin.firewall.elements import endpoint_elements, network_elements
from plugin.firewall.policy_elements import NameElements, name_elements
from plugin.firewall.wants import names_owner
from plugin.host.docker_bridges import is_docker_name
from plugin.host.link_settings import bridge_settings
from plugin.host.own_links import OwnLinks
from plugin.host.packet_size import BIG, largest_packet
from plugin.host.sysctls import host_settings
from plugin.model.desired import Desired, WantedLink, WantedSetting
from plugin.model.elements import Elements
from plugin.model.link_owner import Owner
from plugin.model.names import (
    BRIDGE,
    ENDPOINT,
    HOST_END,
    LIMITER,
    bridge_alias,
    bridge_name,
    container_link_name,
    host_link_name,
    limiter_name,
    local_mac,
    port_alias,
)
from plugin.model.policy import check_publisher, policy_of
from plugin.model.records import LEAST_IPV6_MTU, Endpoint, Network, NetworkSubnet
from plugin.modes.base import Capability, HostParts, LinkKind, Mode
from plugin.modes.limits import IFB, has_limiter, limited
from plugin.modes.subnets import subnet_of
from plugin.options.network import ISOLATED, NetworkSettings
from plugin.options.option import Option, choice
from plugin.protocol.messages import CreateNetwork, InterfaceAddress, IpamData, JoinReply
from plugin.request.undo import Undo


class BridgeSettings(NetworkSettings):
    """Settings of a network of one host."""

    gso = Option(
        "pynet.gso",
        choice("auto", "on", "off"),
        "auto",
        "auto, on or off",
        "whether links of a `bridge` network take packets of up to 192 kB in one piece (BIG TCP), which doubles the "
        "throughput between containers for half of the CPU, but halves it towards a link of the host that takes only "
        "64 kB; `auto` is on for networks without a way out, such as `--internal` ones, and if the host's links to the "
        "internet took such packets when the network was created, unless the network limits rates",
        live=True,
    )


_GSO = BridgeSettings.gso


class BridgeMode(Mode):
    """Networks of one host; other modes may put more into such a bridge."""

    name = "bridge"
    summary = "a network of one host"
    settings = BridgeSettings
    does = frozenset({Capability.HOST_GATEWAY, Capability.PUBLISHES})
    links: Sequence[LinkKind] = (
        LinkKind(BRIDGE, "bridge"),
        LinkKind(HOST_END, "veth", ENDPOINT, port=True),
        LinkKind(LIMITER, IFB, ENDPOINT),
    )

    def __init__(self, parts: HostParts) -> None:
        self._kernel = parts.kernel
        self._firewall = parts.firewall
        self._owner = parts.owner
        self._resolve, self._resolvers = parts.resolve, parts.resolvers
        self._links = OwnLinks(parts.kernel, Owner(parts.owner))

    @staticmethod
    def rebuilt(network: Network, links: Sequence[Link]) -> Network:
        """Return the network with the largest packet that its bridge has; the bridge shows everything else."""
        large = any(link.gso >= BIG for link in links if link.name == network.link)
        return replace(network, gso=BIG if large else 0)

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
        check_publisher(settings, denied=settings.egress == "deny", limited=settings.publish_from is not None)
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

    def prepare(self, network: Network, undo: Undo) -> Network:
        """Take the bridge that the user chose, if it exists, and choose the largest packet."""
        del undo
        network = self._with_bridge(network)
        return replace(network, gso=largest_packet(self._kernel, network, BridgeSettings.read(network.in_force).gso))

    def _with_bridge(self, network: Network) -> Network:
        """Return the record with the bridge that the user chose and its addresses, or with the one to be made."""
        name = network.settings.bridge_name
        if name:
            self._links.remove(name, network.id)  # left from a request that was killed
        bridge = self._kernel.link(name) if name else None
        if bridge is None:
            return self.owned(network)
        there = [address for address in self._kernel.addresses_of(name) if not address.is_link_local]
        found = tuple(address for address in network.gateway_addresses if address in there)
        return replace(network, owns_link=False, found=found, mac=bridge.mac)

    def owned(self, network: Network) -> Network:
        """Return the record with a MAC that stays the same, so that containers find a bridge that was made anew."""
        return replace(network, owns_link=True, found=(), mac=local_mac(network.id.encode()))

    def changed(self, before: Network, after: Network) -> Network:
        """Choose the largest packet again; refuse changes for which links would have to be made anew."""
        if set(before.families) != set(after.families):
            raise InvalidRequest(
                f"option '{NetworkSettings.mtu.key}': IPv6 needs {LEAST_IPV6_MTU} bytes, and whether a network has it "
                "is decided when it is created; remove the network and create it again"
            )
        if not before.owns_link and before.settings.icc != after.settings.icc:
            raise Unsupported(
                f"option '{NetworkSettings.icc.key}': pynet did not make bridge '{before.link}', whose MAC may change, "
                "and rules must name it; remove the network and create it again"
            )
        return self.resized(before, after)

    def resized(self, before: Network, after: Network) -> Network:
        """Choose the largest packet again if the user changed the option; raises ``Unsupported``."""
        if before.in_force.get(_GSO.key) == after.in_force.get(_GSO.key):
            return after
        wish = BridgeSettings.read(after.in_force).gso
        size = largest_packet(self._kernel, after, wish)
        if wish == "on" and not size:
            raise Unsupported(f"option '{_GSO.key}': packets above 64 kB need Linux 6.3")
        return replace(after, gso=size or KERNELS_OWN)

    def delete_network(self, network: Network) -> list[str]:
        """Take the addresses off at once, so that the subnet is free; the link and its rules go after the reply."""
        ours = not network.owns_link or self._links.find(network.link, network.id)
        for link, address in _given_addresses(network) if ours else ():
            with suppress(Missing):
                self._kernel.delete_address(link, address)
        if not network.owns_link:
            self._firewall.forget(network.link)
        return [network.link] if network.owns_link else []

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        """Leave the pair to the reaper: one end takes the other with it, wherever that is."""
        self._firewall.forget(names_owner(endpoint.id))
        limiters = [limiter_name(endpoint.id)] if has_limiter(network, endpoint) else []
        return [host_link_name(endpoint.id), *limiters]

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

    def desired(self, network: Network) -> Desired:
        """Return the bridge, its gateway addresses, its settings and the host's, and the rules of the network."""
        # The MAC of a user's bridge that nobody has set follows the ports; rules may name the one that it has now.
        mac = network.mac if network.owns_link or not network.settings.icc else ""
        given = _given_addresses(network)
        alias, adopted = bridge_alias(self._owner, network), not network.owns_link
        return Desired(
            network=network.id,
            links=[WantedLink(network.link, "bridge", alias, mac, network.mtu, adopted=adopted, gso=network.gso)],
            addresses=given,
            # Without a link-local address the host cannot ask for the containers' MACs.
            link_local=[network.link] if mac and not adopted and any(own.version == 6 for _, own in given) else [],
            settings=bridge_settings(network),
            host=host_settings(network),
            elements={network.link: network_elements(network)},
        )

    def desired_port(self, network: Network, endpoint: Endpoint) -> Desired:
        """Return the veth pair, with its host end in the bridge, its settings, its limits, and the endpoint's rules."""
        return self.plugged(network, endpoint, endpoint_elements(network, endpoint))

    def plugged(
        self, network: Network, endpoint: Endpoint, elements: Elements, named: NameElements = name_elements
    ) -> Desired:
        """Return the same with the rules ``elements`` of the port; the host's end of the pair is the first link.

        ``named`` makes the rules for names in its policy.
        """
        port = WantedLink(
            host_link_name(endpoint.id),
            "veth",
            port_alias(self._owner, network, endpoint),
            mtu=network.mtu,
            master=network.link,
            endpoint=endpoint.id,
            port=_port(network, endpoint),
            gso=network.gso,
            master_gso=network.gso if network.owns_link else 0,
            peer=container_link_name(endpoint.id),
            peer_mac=endpoint.mac,
        )
        owned = {port.name: elements, **self._names(network, endpoint, named)}
        part = Desired(network.id, [port], settings=port_settings(port.name), elements=owned)
        return limited(part, self._owner, network, endpoint)

    def _names(self, network: Network, endpoint: Endpoint, named: NameElements) -> dict[str, Elements]:
        """Return the rules for names in the policy of the endpoint, which have an owner of their own, if it has any."""
        allowed = policy_of(network, endpoint).allow_out
        if allowed is None or not allowed.host_names or endpoint.taken:
            return {}
        known = {name: self._resolve(name) for name in allowed.host_names}
        return {names_owner(endpoint.id): named(endpoint, allowed, known, self._resolvers())}

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


def port_settings(link: str) -> list[WantedSetting]:
    """Return the sysctls of a port ``link``: it has no IPv6 of its own, so nobody on the bridge can speak to it."""
    wanted = {"disable_ipv6": "1", "accept_ra": "0"}
    return [WantedSetting(f"net/ipv6/conf/{link}/{key}", value, link, optional=True) for key, value in wanted.items()]


def _port(network: Network, endpoint: Endpoint) -> BridgePort:
    """Tell the bridge which MACs are behind the port; without the guard there may be any, and it learns them.

    That of an endpoint whose address another host has may be behind the tunnel.
    """
    guard, ruled = endpoint.guard(network), policy_of(network, endpoint).ruled
    if endpoint.taken:
        return BridgePort(ruled=ruled)
    macs = (endpoint.mac, *guard.allowed.macs) if guard.on else ()
    return BridgePort(learning=not guard.on, macs=macs, ruled=ruled)


def _given_addresses(network: Network) -> list[tuple[str, InterfaceAddress]]:
    return [(network.link, address) for address in network.gateway_addresses if address not in network.found]


def _check_modes(settings: NetworkSettings, *, internal: bool) -> None:
    for mode, option in (
        (settings.gateway_mode_ipv4, NetworkSettings.gateway_mode_ipv4),
        (settings.gateway_mode_ipv6, NetworkSettings.gateway_mode_ipv6),
    ):
        if mode == ISOLATED and not internal:
            raise InvalidRequest(f"option '{option.key}': {ISOLATED} is for internal networks only, see --internal")


def _check_sources(settings: NetworkSettings, subnets: Sequence[NetworkSubnet]) -> None:
    """Refuse a container's address as a source; an existing bridge may have the host's own there."""
    for source, option in (
        (settings.host_ipv4, NetworkSettings.host_ipv4),
        (settings.host_ipv6, NetworkSettings.host_ipv6),
    ):
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
    return tuple(map(subnet_of, data))
