"""Overlay mode: one network over many hosts. Each has a bridge as in bridge mode, and VXLAN joins the bridges.

    container        host a                                                host b       container
    ┌──────┐   ┌─────────────────────┐                               ┌─────────────────┐   ┌──────┐
    │ eth0 ◄───┼─► pnh… ─ pn-… ─ pnv… ┼── UDP 4789 to the other host ──┼ pnv… ─ pn-… ─ … ◄───► eth0 │
    └──────┘   └───────────┼─────────┘                               └─────────┼───────┘   └──────┘
                           └─► rules ─► outside                                └─► rules ─► outside

Hosts agree on a network by its name in the cluster store (``plugin.cluster.overlay.agreement``). The store also has the
host of each container; ``plugin.cluster.overlay.table_sync`` writes that into the tables of the kernel, which then
learns and asks nothing.

Every host is the gateway of its own containers, under one address and one MAC: packets to the gateway never leave the
host of the container, and packets from another host never reach this gateway (``plugin.firewall.ruleset``).
"""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from netlink.links import Link
from netlink.vxlan import VxlanLink
from plugin.cluster.overlay.presence import agreed_network
from plugin.cluster.secrecy.links import carriers_of
from plugin.errors import Conflict, InvalidRequest, Unsupported
from plugin.firewall.elements import local_elements, tunnel_elements
from plugin.host.link_settings import without_ipv6
from plugin.host.own_links import OwnLinks
from plugin.model.desired import Desired, WantedLink
from plugin.model.elements import Elements
from plugin.model.link_owner import Owner
from plugin.model.names import CARRIER, TUNNEL, WIREGUARD, Alias, local_mac, tunnel_alias, vxlan_name
from plugin.model.records import Endpoint, Network, Overlay
from plugin.modes.applier import Applier
from plugin.modes.base import HostParts, LinkKind, Mode
from plugin.modes.bridge import BridgeMode
from plugin.options.network import NetworkSettings
from plugin.options.option import Option, choice, integer
from plugin.options.pool import SharedPoolSettings
from plugin.options.takeover import NEVER, TAKEOVER_LEGAL, takeover
from plugin.options.tunnel import TUNNEL_OPTION, VXLAN, is_routed
from plugin.protocol.messages import CreateNetwork, JoinReply
from plugin.request.undo import Undo

log = structlog.get_logger()

LARGEST_VNI = (1 << 24) - 1  # RFC 7348
OFF = "off"  # without encryption
_CARRIER = LinkKind(CARRIER, WIREGUARD, WIREGUARD, at_once=True)  # its UDP port may be wanted again
_TUNNEL = LinkKind(TUNNEL, "vxlan", port=True, at_once=True)  # its VNI may be wanted again


class OverlaySettings(NetworkSettings):
    """Settings of a network that hosts share."""

    network = SharedPoolSettings.network
    vni = Option(
        "pynet.vni",
        integer(1, LARGEST_VNI),
        0,
        f"a number from 1 to {LARGEST_VNI}",
        "VXLAN network identifier of an `overlay` network; by default one that the cluster does not use",
    )
    encrypt = Option(
        "pynet.encrypt",
        choice(OFF, WIREGUARD),
        OFF,
        f"{OFF} or {WIREGUARD}",
        "whether hosts encrypt what containers of an `overlay` network send each other; the same on all hosts",
    )
    vxlan_port = Option(
        "pynet.vxlan_port",
        integer(1, 65535),
        4789,
        "a number from 1 to 65535",
        "UDP port of an `overlay` network's VXLAN",
    )
    takeover = Option(
        "pynet.takeover",
        takeover,
        NEVER,
        TAKEOVER_LEGAL,
        "whether the other hosts release addresses, names and leases of a host that has been dead for this time, so "
        "that they can be used elsewhere; a host counts as dead 30 s after it renewed its lease for the last time, "
        "also if only its pynet is away",
    )
    tunnel = TUNNEL_OPTION


class OverlayMode(Mode):
    """See the module's description."""

    name = "overlay"
    summary = "a network over several hosts"
    settings = OverlaySettings
    does = BridgeMode.does
    links: Sequence[LinkKind] = (*BridgeMode.links, _TUNNEL, _CARRIER)

    def __init__(self, parts: HostParts) -> None:
        self._bridge = BridgeMode(parts)
        self._applier = Applier(parts)
        self._kernel = parts.kernel
        self._owner = parts.owner
        self._links = OwnLinks(parts.kernel, Owner(parts.owner))
        self._tunnels = parts.shared.tunnels
        self._agreement = parts.shared.agreement
        self._peers = parts.shared.peers
        self._own = parts.shared.own
        self._underlay = parts.shared.underlay
        self._secrecy = parts.shared.secrecy
        self._closed = parts.shared.closed

    @staticmethod
    def rebuilt(network: Network, links: Sequence[Link]) -> Network:
        """Return a network that spans hosts if it has a tunnel; the alias of the tunnel has the agreed values."""
        tunnels = [link for link in links if link.kind == _TUNNEL.kernel]
        overlay = Alias.read(tunnels[0].alias).overlay(tunnels[0].mtu) if tunnels else None
        if overlay is None:
            return network
        options = {key: value for key, value in network.options.items() if key != NetworkSettings.mtu.key}
        options |= {NetworkSettings.mode.key: OverlayMode.name, OverlaySettings.network.key: overlay.network}
        options |= {TUNNEL_OPTION.key: overlay.tunnel} if overlay.tunnel != VXLAN else {}
        options |= {OverlaySettings.encrypt.key: overlay.encrypt} if overlay.encrypt else {}
        return replace(network, mode=OverlayMode.name, overlay=overlay, options=options)

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        """Return the network of ``request``; raises ``InvalidRequest`` if no host can serve it."""
        if not OverlaySettings.read(request.options.generic).network:
            raise InvalidRequest(
                "mode overlay needs the name by which all hosts know the network: "
                f"-o {OverlaySettings.network.key}=NAME"
            )
        if self._closed:
            raise Unsupported(self._closed)
        network = self._bridge.plan(request, settings, self.name)
        _check_routed(network)
        _check_secret(network)
        if settings.bridge_name and self._kernel.link_exists(settings.bridge_name):
            raise InvalidRequest(
                f"option '{NetworkSettings.bridge_name.key}': '{settings.bridge_name}' exists, and mode overlay "
                "makes its own bridge"
            )
        return network

    def prepare(self, network: Network, undo: Undo) -> Network:
        """Agree with the other hosts.

        A network that was agreed on before is made again from its record alone: the cluster store may be away.
        """
        return self.owned(network if network.overlay else self._agreed(network, undo))

    def owned(self, network: Network) -> Network:
        """Return the record with the MAC that its bridges have on all hosts."""
        return replace(self._bridge.owned(network), mac=gateway_mac(_overlay(network)))

    def changed(self, before: Network, after: Network) -> Network:
        """As in bridge mode; the hosts have agreed on the MTU."""
        if before.in_force.get(NetworkSettings.mtu.key) != after.in_force.get(NetworkSettings.mtu.key):
            raise InvalidRequest(
                f"option '{NetworkSettings.mtu.key}': all hosts have agreed on the MTU of an overlay network; remove "
                "the network on all of them and create it again"
            )
        return self._bridge.changed(before, after)

    def links_made(self, network: Network, undo: Undo) -> None:
        """Fill the tables of the tunnel, and keep them up to date from now on."""
        link = self._link(network)
        undo.push(self._peers.detach, network, link)
        self._peers.attach(network, link)

    def resume(self, network: Network) -> None:
        """Write the tables from now on; a host that is reached at another address than before sends from there too."""
        if _overlay(network).encrypt:
            self._secrecy.resume(network.id)
        link = self._link(network)
        self._links.expect(link.name, network.id)
        if self._tunnels.source(link.name) in {None, link.local}:
            self._peers.attach(network, link, now=False)  # the cluster store may be away
            return
        log.info("tunnel made anew for another address", network=network.id[:12], address=str(link.local))
        with Undo() as undo:
            self._applier.make_again(self, network, link.name, undo)

    def holds(self, link: str) -> bool:
        """Return whether encrypted networks share ``link``."""
        return self._secrecy.holds(link)

    def delete_network(self, network: Network) -> list[str]:
        """Take the tunnel down at once, because its VNI may be wanted again; the bridge goes after the reply."""
        member = self._own.membership(_overlay(network), network.id)
        self._links.remove(vxlan_name(network.id), network.id)
        self._peers.detach(network, self._link(network))
        links = self._bridge.delete_network(network)
        self._agreement.leave(member)
        if network.overlay and network.overlay.encrypt:
            self._secrecy.leave(network.id)
        return links

    def announce(self, network: Network, endpoint: Endpoint, undo: Undo) -> None:
        """Tell the other hosts first: their tables are written while this one makes the links."""
        overlay = _overlay(network)
        undo.push(self._own.withdraw, overlay, endpoint)
        self._own.announce(overlay, endpoint)

    def announce_again(self, network: Network, before: Endpoint, after: Endpoint, undo: Undo) -> None:
        """Tell the other hosts of another group."""
        if before.readable_settings.groups != after.readable_settings.groups:
            overlay = _overlay(network)
            undo.push(self._own.announce, overlay, before)
            self._own.announce(overlay, after)

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        """Withdraw it from the other hosts, and leave the pair to the reaper."""
        self._own.withdraw(_overlay(network), endpoint)
        return self._bridge.delete_endpoint(network, endpoint)

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        """Name the container's end, and the gateways."""
        return self._bridge.join(network, endpoint)

    def desired(self, network: Network) -> Desired:
        """As in bridge mode, with the tunnel; ``plugin.cluster.overlay.table_sync`` keeps the tables of the tunnel.

        It also keeps the list of hosts that the firewall lets in, except for a network that it does not know yet, as
        during a start.
        """
        overlay, link = _overlay(network), self._link(network)
        carriers = carriers_of(self._owner) if overlay.encrypt else ()
        part = _also(self._bridge.desired(network), tunnel_elements(network, overlay, carriers))
        alias = tunnel_alias(self._owner, network, overlay)
        tunnel = WantedLink(link.name, _TUNNEL.kernel, alias, "", link.mtu, link.master, tunnel=link)
        settings = [*part.settings, *without_ipv6(tunnel.name)]
        left = self._peers.left(network, link)
        elements = part.elements if left is None else {**part.elements, tunnel.name: left}
        links, shared = [*part.links, tunnel], self._secrecy.wanted() if overlay.encrypt else ()
        return replace(
            part, links=links, settings=settings, elements=elements, kept=(tunnel.name,), shared=tuple(shared)
        )

    def desired_port(self, network: Network, endpoint: Endpoint) -> Desired:
        """As in bridge mode, with rules against frames of other hosts that claim to be of the endpoint."""
        return _also(self._bridge.desired_port(network, endpoint), local_elements(network, endpoint))

    def in_container(self, endpoint: Endpoint) -> bool:
        """Look where the other end of the pair is."""
        return self._bridge.in_container(endpoint)

    def _agreed(self, network: Network, undo: Undo) -> Network:
        """Return the network with the values that the hosts agreed on."""
        settings = OverlaySettings.read(network.in_force)
        name, encrypt = settings.network, "" if settings.encrypt == OFF else settings.encrypt
        self._peers.reserve(name, network.id)
        asked = _wish(settings, encrypt)
        if encrypt:
            self._secrecy.check()
        wish, member = agreed_network(network, asked), self._own.member(asked, network.id)
        room = self._underlay.secret_room() if encrypt else self._underlay.room(settings.tunnel)
        self._underlay.check_neighbours(settings.tunnel, network.families)
        undo.push(self._agreement.leave, member)
        agreed = self._agreement.join(wish, member, room)
        if encrypt:
            undo.push(self._secrecy.leave, network.id)
            self._secrecy.join(network.id)
        return replace(network, overlay=replace(asked, vni=agreed.vni, port=agreed.udp_port, mtu=agreed.mtu))

    def _link(self, network: Network) -> VxlanLink:
        overlay = _overlay(network)
        return VxlanLink(
            name=vxlan_name(network.id),
            vni=overlay.vni,
            port=overlay.port,
            local=self._secrecy.address if overlay.encrypt else self._underlay.address,
            master=network.link,
            mtu=overlay.mtu,
        )


def _wish(settings: OverlaySettings, encrypt: str) -> Overlay:
    values = settings.vni, settings.vxlan_port, settings.mtu, int(settings.takeover), settings.tunnel, encrypt
    return Overlay(settings.network, *values)


def _check_routed(network: Network) -> None:
    """Refuse a network whose host cannot route to its containers: that takes the gateway's address on the host."""
    given = {address.version for address in network.gateway_addresses}
    if is_routed(network.options) and (missing := {subnet.pool.version for subnet in network.subnets} - given):
        raise InvalidRequest(
            f"option '{TUNNEL_OPTION.key}': '{network.options[TUNNEL_OPTION.key]}' needs the gateway address of "
            f"each subnet on the host, and the network has none for IPv{min(missing)}; leave out inhibit_ipv4 and "
            "gateway mode isolated"
        )


def _check_secret(network: Network) -> None:
    """Refuse a network that would be encrypted, and send packets to other hosts as they are."""
    encrypt = OverlaySettings.encrypt
    if is_routed(network.options) and network.options.get(encrypt.key, OFF) != OFF:
        raise InvalidRequest(
            f"options '{encrypt.key}' and '{TUNNEL_OPTION.key}': what is encrypted goes by the tunnel, and "
            f"'{network.options[TUNNEL_OPTION.key]}' sends packets as they are; leave one of both out"
        )


def gateway_mac(overlay: Overlay) -> str:
    """Return the MAC of the bridges of a network, the same on all hosts."""
    return local_mac(f"{overlay.network} {overlay.vni}".encode())


def _also(part: Desired, more: Elements) -> Desired:
    """Return ``part`` with ``more`` elements of its first owner, which is a link."""
    link, elements = next(iter(part.elements.items()))
    return replace(part, elements={**part.elements, link: (*elements, *more)})


def _overlay(network: Network) -> Overlay:
    if network.overlay is None:
        raise Conflict(f"network '{network.id[:12]}' has no record of what the hosts agreed on; create it again")
    return network.overlay
