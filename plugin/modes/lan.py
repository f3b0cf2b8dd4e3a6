"""Mode lan: a veth pair for each endpoint in a bridge of the user's, which is a LAN, or leads to one.

    container                     host
    ┌────────────┐               ┌───────────────────────────────┐
    │ eth0  ◄────┼── veth pair ──┼──► pnh…  ── bridge br0 ── eth0 ┼──► LAN
    └────────────┘               └───────────────────────────────┘

Containers are machines of the LAN, with addresses that it knows and a gateway that it has: the host is a neighbour like
any other. Frames pass the ports of containers, so guard, limits, policies and counters are those of bridge mode.

Nothing of the bridge is changed. Its own MAC and MTU follow those of its ports, unless the user gave it some: so a port
has a MAC above those of hardware, and the MTU of the bridge; that of the container may be lower.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_interface
from operator import attrgetter
from typing import cast

import structlog

from netlink.bridge_port import BridgePort
from netlink.bridge_vlan import LAST
from netlink.errors import NotSupported
from netlink.links import Link
from plugin.errors import Failed, InvalidRequest, Unsupported
from plugin.firewall.lan_elements import lan_elements, lan_port_elements
from plugin.firewall.policy_elements import port_name_elements
from plugin.host.docker_bridges import is_docker_name
from plugin.host.packet_size import largest_packet
from plugin.interfaces import Kernel
from plugin.model.desired import Desired, WantedParent
from plugin.model.names import (
    ENDPOINT,
    HOST_END,
    LAN,
    LIMITER,
    NETWORK,
    Alias,
    LeaseWord,
    high_mac,
    is_own_bridge,
    lan_alias,
)
from plugin.model.records import Endpoint, Network, NetworkSubnet
from plugin.modes.base import Capability, HostParts, LinkKind, Mode
from plugin.modes.bridge import BridgeMode, BridgeSettings
from plugin.modes.limits import IFB
from plugin.modes.on_lan import OF_GATEWAYS, refuse_other_mtu, with_gateways
from plugin.modes.subnets import given_subnets
from plugin.options.host_access import HostAccessSettings
from plugin.options.network import NetworkSettings
from plugin.options.option import Option, integer
from plugin.options.parent import ParentSettings
from plugin.protocol.messages import CreateNetwork, InterfaceAddress, JoinReply
from plugin.request.undo import Undo

log = structlog.get_logger()

BRIDGE_KIND = "bridge"  # as the kernel calls it
_INTERNAL, _APART = "i", "a"  # words of an alias: --internal, and containers that do not reach each other


def _vlan_ids(text: str) -> tuple[int, ...]:
    """Read numbers of VLANs with commas between them."""
    found = tuple(_VLAN(word.strip()) for word in text.split(",")) if text else ()
    if len(set(found)) < len(found):
        raise ValueError(text)
    return tuple(sorted(found))


_VLAN = integer(1, LAST)


class LanSettings(BridgeSettings, ParentSettings):
    """Settings of a network on a user's bridge."""

    vlan = Option(
        "pynet.vlan",
        _VLAN,
        0,
        f"a number from 1 to {LAST}",
        "on a bridge with `vlan_filtering`: the VLAN of containers, which send and receive without a tag; by default "
        "the bridge's own",
    )
    vlans: Option[tuple[int, ...]] = Option(
        "pynet.vlans",
        _vlan_ids,
        (),
        f"different numbers from 1 to {LAST}, with commas between them",
        "on such a bridge: VLANs whose frames containers send and receive with a tag; needs `pynet.guard=off`",
    )


_NO_GATEWAY = "the host is no gateway of its containers, and translates nothing; for that use pynet.mode=bridge"
_BY_ADDRESS = (
    "the host and its containers reach each other by the bridge without this option, if the bridge has an address of "
    "the LAN; else give it one: ip addr add ADDRESS dev BRIDGE"
)
_NOT_PUBLISHED = "its containers publish no ports: the LAN reaches every port of theirs at their own addresses"


class LanMode(Mode):
    """Networks on bridges that pynet did not make; several may be on one of them."""

    name = "lan"
    summary = "containers on a bridge of yours, as machines of your LAN"
    settings = LanSettings
    does = frozenset({Capability.SHARES_LINK})
    links: Sequence[LinkKind] = (LinkKind(HOST_END, "veth", ENDPOINT, port=True), LinkKind(LIMITER, IFB, ENDPOINT))
    refuses: Mapping[str, str] = {
        **dict.fromkeys((option.key for option in OF_GATEWAYS), _NO_GATEWAY),
        HostAccessSettings.host_access.key: _BY_ADDRESS,
        NetworkSettings.publish.key: _NOT_PUBLISHED,
        NetworkSettings.host_binding.key: _NOT_PUBLISHED,
        NetworkSettings.publish_from.key: f"{_NOT_PUBLISHED}; {NetworkSettings.allow_from.key} names who may",
    }

    def __init__(self, parts: HostParts) -> None:
        self._kernel = parts.kernel
        self._firewall = parts.firewall
        self._owner = parts.owner
        self._parents = parts.parents
        self._bridge = BridgeMode(parts)

    @staticmethod
    def rebuilt(network: Network, links: Sequence[Link]) -> Network:
        """Return the network with what the alias of one of its ports tells, if that is of this mode."""
        for alias in (Alias.read(link.alias) for link in links):
            if alias.what == ENDPOINT and alias.more[1:2] == (LAN,):
                return _rebuilt(network, alias)
        return network

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        """Return the network of ``request``.

        Raises:
            InvalidRequest: no bridge, or one that is not the user's; no subnet, or one that no container can use.
        """
        subnets = given_subnets((*request.ipv4_data, *request.ipv6_data), settings)
        if not subnets and not cast("LanSettings", settings).dhcp:
            raise InvalidRequest(f"a network of mode {self.name} needs a subnet: --subnet with that of your LAN")
        bridge = self._bridge_of(settings)
        _check_vlans(self._kernel, bridge.name, cast("LanSettings", settings))
        return Network(
            id=request.network_id,
            mode=self.name,
            link=bridge.name,
            internal=request.options.internal,
            subnets=subnets,
            options=dict(request.options.generic),
        )

    def prepare(self, network: Network, undo: Undo) -> Network:
        """Take the bridge as it is, and choose the largest packet."""
        network = self._parents.take(network, lambda _: "", undo)
        bridge = self._kernel.link(network.link)
        if bridge is not None and not self._kernel.links(master=bridge.index):
            log.warning(
                "the bridge has no ports, so its MAC will be that of a container's port unless you give it one",
                bridge=network.link,
                command=f"ip link set {network.link} address {bridge.mac}",
            )
        return replace(network, gso=largest_packet(self._kernel, network, LanSettings.read(network.in_force).gso))

    def owned(self, network: Network) -> Network:
        """Return the record as it is: pynet never makes a bridge in the place of the user's."""
        return network

    def followed(self, network: Network) -> Network:
        """Return the record with the bridge that the kernel has now, by whatever name; frames pass on that one then.

        Raises:
            Failed: there is no such bridge; ports of containers go back into it once there is.
        """
        try:
            after = self._parents.follow(network, BRIDGE_KIND)
        except Failed as error:
            raise Failed(
                f"bridge '{network.link}' of the network is gone: make it again, and pynet puts the links of the "
                "containers back into it"
            ) from error
        if after.link != network.link:
            self._firewall.put(_owner(after), lan_elements(after))
        return after

    def holds(self, link: str) -> bool:
        """Return whether a network has the bridge ``link``."""
        return self._parents.has_users(link)

    def changed(self, before: Network, after: Network) -> Network:
        """Choose the largest packet again; refuse another MTU, as the links are in their containers."""
        refuse_other_mtu(before, after)
        return self._bridge.resized(before, after)

    def delete_network(self, network: Network) -> list[str]:
        """Forget the rules; the bridge stays as it is."""
        self._firewall.forget(_owner(network))
        self._parents.release(network)
        return []

    def beside(self, network: Network) -> Collection[str]:
        """Return the other networks of the bridge: a MAC is behind one port alone."""
        return self._parents.others(network)

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        """Leave the pair to the reaper, as in bridge mode."""
        return self._bridge.delete_endpoint(network, endpoint)

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        """Name the container's end, and the gateways that the user gave, without a bridge of the engine's beside."""
        return with_gateways(self._bridge.join(network, endpoint), network, endpoint, attrgetter("router"))

    def desired(self, network: Network) -> Desired:
        """Return the bridge, which is only looked for, and the rules; everything else belongs to ports."""
        parent = WantedParent(network.link, self._parents.index_now(network))
        return Desired(network.id, parent=parent, elements={_owner(network): lan_elements(network)})

    def desired_port(self, network: Network, endpoint: Endpoint) -> Desired:
        """Return the veth pair as in bridge mode, as a guest in the bridge, with rules that judge at the port alone."""
        part = self._bridge.plugged(network, endpoint, lan_port_elements(network, endpoint), port_name_elements)
        pair, *others = part.links
        guest = replace(
            pair,
            alias=lan_alias(self._owner, network, endpoint, _words(network, endpoint)),
            mac=high_mac(endpoint.id.encode()),
            mtu=0,
            peer_mtu=network.settings.mtu,
            port=_port(network, pair.port) if pair.port else None,
        )
        return replace(part, links=[guest, *others])

    def in_container(self, endpoint: Endpoint) -> bool:
        """Look where the other end of the pair is."""
        return self._bridge.in_container(endpoint)

    def _bridge_of(self, settings: NetworkSettings) -> Link:
        """Return the bridge that the user chose.

        Raises:
            InvalidRequest: there is none, or it is not the user's.
        """
        parent, bridge_name = LanSettings.parent, NetworkSettings.bridge_name
        chosen = {cast("LanSettings", settings).parent, settings.bridge_name} - {""}
        if len(chosen) != 1:
            both = f", not both {' and '.join(sorted(chosen))}" if chosen else ""
            raise InvalidRequest(
                f"a network of mode {self.name} needs one bridge of yours: -o {parent.key}=br0, or -o "
                f"{bridge_name.key}=br0{both}"
            )
        name = chosen.pop()
        link = self._kernel.link(name)
        if link is None:
            raise InvalidRequest(f"there is no bridge '{name}' on this host: make it first, with your uplink as a port")
        if link.kind != BRIDGE_KIND:
            raise InvalidRequest(f"'{name}' is no bridge: for a plain link use -o pynet.mode=macvlan")
        if is_docker_name(name) or is_own_bridge(name) or Alias.read(link.alias).what == NETWORK:
            raise InvalidRequest(f"bridge '{name}' belongs to a network of Docker, and is no LAN of yours")
        return link


def _check_vlans(kernel: Kernel, bridge: str, settings: LanSettings) -> None:
    """Refuse VLANs that the bridge would not keep, or the guard not let pass.

    Raises:
        InvalidRequest: the options contradict each other, or the user's bridge mixes all VLANs.
        Unsupported: the kernel has no VLANs of bridges.
    """
    if not settings.vlan and not settings.vlans:
        return
    what = f"option '{(LanSettings.vlans if settings.vlans else LanSettings.vlan).key}'"
    if settings.vlan in settings.vlans:
        raise InvalidRequest(f"{what}: frames of VLAN {settings.vlan} cannot have a tag and none")
    if settings.dhcp:
        raise InvalidRequest(
            f"{what}: addresses by DHCP are asked for in the bridge's own VLAN; for those of another VLAN use -o "
            f"pynet.mode=macvlan -o {ParentSettings.parent.key}={bridge}.{settings.vlan or 50}"
        )
    if settings.vlans and settings.guard:
        raise InvalidRequest(f"{what}: the guard lets no frame with a tag pass; add -o {LanSettings.guard.key}=off")
    try:
        if not kernel.tells_vlans(bridge):
            raise InvalidRequest(
                f"{what}: bridge '{bridge}' mixes all VLANs, and pynet changes nothing of it; give its other ports "
                f"their VLANs, then: ip link set {bridge} type bridge vlan_filtering 1"
            )
    except NotSupported as error:
        raise Unsupported(f"{what}: {error}") from error


def _port(network: Network, port: BridgePort) -> BridgePort:
    """Return a port of bridge mode as this network wants it: isolated by the bridge itself, and in its VLANs."""
    own = LanSettings.read(network.in_force)
    return replace(port, isolated=not own.icc, vlan=own.vlan, vlans=own.vlans)


def _owner(network: Network) -> str:
    """Return the owner of the elements of a network; its bridge may carry several networks."""
    return f"lan {network.id}"


def _words(network: Network, endpoint: Endpoint) -> list[str]:
    """Return what the kernel shows nowhere else as words of an alias: how closed the network is, subnets, VLANs.

    The first words have room always: a network that was closed must not be rebuilt as an open one.
    """
    own = LanSettings.read(network.in_force)
    closed = [word for word, is_so in ((_INTERNAL, network.internal), (_APART, not own.icc)) if is_so]
    places = [address.ip for address in (endpoint.ipv4, endpoint.ipv6) if address]
    subnets = [subnet for subnet in network.subnets if any(place in subnet.pool for place in places)]
    ends = [(one.router.ip if one.router else one.pool.network_address, one.pool.prefixlen) for one in subnets]
    vlans = [f"v{own.vlan}"] if own.vlan else []
    tagged = [f"t{vlan}" for vlan in own.vlans]
    return [*closed, *_leased(own, endpoint), *(f"{address}-{length}" for address, length in ends), *vlans, *tagged]


def _leased(own: LanSettings, endpoint: Endpoint) -> Iterator[str]:
    """Yield the word about the lease of an endpoint, if its address came by DHCP."""
    if own.dhcp and endpoint.ipv4 is not None:
        names = endpoint.settings.client_id or b"", endpoint.settings.host_name
        yield str(LeaseWord(endpoint.ipv4.network.prefixlen, *names))


def _rebuilt(network: Network, alias: Alias) -> Network:
    """Return a network with the subnets, VLANs and other words of an alias."""
    words = alias.more[2:]
    ends = list(_interfaces(words))
    subnets = [NetworkSubnet(end.network, None if end.ip == end.network.network_address else end) for end in ends]
    options = {NetworkSettings.mode.key: LanMode.name, LanSettings.parent.key: network.link}
    for letter, option in (("v", LanSettings.vlan), ("t", LanSettings.vlans)):
        if found := [word[1:] for word in words if word.startswith(letter)]:
            options[option.key] = ",".join(found)
    if _APART in words:
        options[LanSettings.icc.key] = "false"
    if alias.lease:
        options[LanSettings.dhcp.key] = "on"
    return Network(
        network.id,
        LanMode.name,
        network.link,
        owns_link=False,
        internal=_INTERNAL in words,
        subnets=tuple(subnets),
        options=options,
        host_gateway=False,
    )


def _interfaces(words: Iterable[str]) -> Iterator[InterfaceAddress]:
    """Yield the gateways, or addresses of subnets, among words of an alias, which anybody may have changed."""
    for word in words:
        with suppress(ValueError):
            yield from [ip_interface(word.replace("-", "/"))] if "-" in word else []
