"""Networks whose containers have links upon a link of the host, their parent, and are on its LAN: macvlan, ipvlan.

The endpoint's link is a child of the parent. It is made in CreateEndpoint, so that the user of ``docker run`` reads
what is wrong; the engine moves it into the container, gives it its addresses and sets it up. The kernel deletes it with
the namespace of the container, or with the parent. No frame of it passes a hook of the host's netfilter that could tell
the container, so there is no guard, no policy and no published port; and the host is not the gateway.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple, cast

import structlog

from netlink.errors import KernelError
from netlink.links import Link
from plugin.errors import InvalidRequest
from plugin.host.carried import carries_links
from plugin.host.own_links import OwnLinks
from plugin.model.desired import Desired, WantedLink, WantedParent
from plugin.model.link_owner import Owner
from plugin.model.names import CONTAINER_END, ENDPOINT, PARENT, SHIM, container_link_name, endpoint_alias, stub_name
from plugin.model.records import Endpoint, Network
from plugin.modes.base import Capability, HostParts, LinkKind, Mode
from plugin.modes.on_lan import OF_GATEWAYS, refuse_other_mtu, with_gateways
from plugin.modes.subnets import given_subnets
from plugin.options.host_access import HostAccessSettings
from plugin.options.network import EndpointSettings, NetworkSettings
from plugin.options.option import Option
from plugin.options.parent import ParentSettings
from plugin.protocol.messages import CreateNetwork, JoinReply
from plugin.request.undo import Undo

log = structlog.get_logger()

_S, _E = NetworkSettings, EndpointSettings
_NO_RULES = (
    "frames of its containers pass no rules of this host; -o pynet.mode=lan puts containers on the LAN with rules"
)
_NO_GATEWAY = "this host is not the gateway of its containers; -o pynet.mode=bridge makes it the gateway"
_NO_PORTS = "ports of its containers are open at their own addresses on the LAN, and published nowhere"
_NEEDS: Mapping[str, Sequence[Option[Any]]] = {
    _NO_RULES: (
        *(_S.guard, _S.guard_allow, _S.icc, _S.allow_from, _S.egress, _S.allow_out, _E.groups),
        *(_S.rate_in, _S.rate_out, _S.burst_in, _S.burst_out),
    ),
    _NO_GATEWAY: OF_GATEWAYS,
    _NO_PORTS: (_S.host_binding, _S.publish, _S.publish_from),
    f"its containers are upon the link that option '{ParentSettings.parent.key}' names": (_S.bridge_name,),
}
APART = {"private", "vepa", "passthru"}  # whose links do not reach each other without a switch that sends frames back
REFUSES = {option.key: why for why, options in _NEEDS.items() for option in options}


class Variety(NamedTuple):
    """The kernel's words for the mode of a child, and for its flag."""

    mode: str
    flag: str = ""

    @property
    def among(self) -> str:
        """How children of one parent see each other: bridge, private or vepa."""
        return self.flag or self.mode


class ChildMode(Mode):
    """A mode names the ``kernel`` kind of its links, and says how they work and who may be beside them."""

    kernel: str
    does: frozenset[Capability] = frozenset({Capability.SHARES_LINK})
    links: Sequence[LinkKind] = (
        LinkKind(CONTAINER_END, "child", ENDPOINT, at_once=True, moves=True),
        LinkKind(SHIM, "child", PARENT, at_once=True),
    )
    refuses = REFUSES

    def __init__(self, parts: HostParts) -> None:
        self._kernel = parts.kernel
        self._owner = parts.owner
        self._parents = parts.parents
        self._shims = parts.shims
        self._links = OwnLinks(parts.kernel, Owner(parts.owner))

    @staticmethod
    def rebuilt(network: Network, links: Sequence[Link]) -> Network:
        """Return the network as it is: no link that stays on the host shows a network of such a mode."""
        del links
        return network

    @staticmethod
    def variety(network: Network) -> Variety:
        """Return how the links of a network's containers work."""
        raise NotImplementedError

    def shared_mac(self, network: Network) -> str:
        """Return the MAC that all containers of a network have, "" if each has its own."""
        del network
        return ""

    def conflict(self, network: Network, other: Network) -> str:
        """Return why ``network`` cannot be on one parent with ``other``, "" if it can."""
        raise NotImplementedError

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        """Return the network of ``request``; one without a parent leads nowhere.

        Raises:
            InvalidRequest: subnets that no LAN can have, or a link that cannot be the parent.
        """
        own = cast("ParentSettings", settings)
        subnets = given_subnets((*request.ipv4_data, *request.ipv6_data), own)
        if not subnets and not own.dhcp:
            raise InvalidRequest(
                f"a network of mode {self.name} needs an IPv4 or an IPv6 subnet, and the request has neither"
            )
        parent = own.parent
        if parent:
            self._parents.check(parent, self.kernel)
        network = Network(
            id=request.network_id,
            mode=self.name,
            link=parent or stub_name(request.network_id),
            internal=request.options.internal or not parent,
            subnets=subnets,
            options=dict(request.options.generic),
        )
        self._check_host_access(network)
        return network

    def prepare(self, network: Network, undo: Undo) -> Network:
        """Take the parent, which is made if it is a VLAN that is not there."""
        return self._parents.take(network, lambda other: self.conflict(network, other), undo)

    def owned(self, network: Network) -> Network:
        """Return the record as it is: pynet makes no link in the place of a user's."""
        return network

    def followed(self, network: Network) -> Network:
        """Return the record with the parent that the kernel has now; raises ``Failed`` without it."""
        return self._parents.follow(network)

    def holds(self, link: str) -> bool:
        """Return whether a network has ``link`` as its parent, or is being made upon it, or a container is upon it."""
        known = self._parents.has_users(link) or self._shims.holds(link)
        return known or carries_links(self._kernel, self._links, link)

    def changed(self, before: Network, after: Network) -> Network:
        """Refuse another MTU: the links are in containers."""
        refuse_other_mtu(before, after)
        self._check_host_access(after)
        return after

    def delete_network(self, network: Network) -> list[str]:
        """Delete the parent at once if pynet made it and no other network has it: its VLAN may be wanted again."""
        self._parents.release(network)
        return []

    def prepare_endpoint(self, network: Network, endpoint: Endpoint, undo: Undo) -> Endpoint:
        """Note the parent upon which the link is made."""
        del undo
        return replace(endpoint, parent=network.parent)

    def beside(self, network: Network) -> Collection[str]:
        """Return the other networks of the parent: no two links of it can have one MAC."""
        return self._parents.others(network)

    def delete_endpoint(self, network: Network, endpoint: Endpoint) -> list[str]:
        """Delete the link if the engine put it back, at once, as the next container may want its MAC.

        If that fails, it is left to the reaper, as the engine does not ask again.
        """
        if _host_access(network):
            self._shims.release(self.desired_port(network, endpoint).routes)
        name = container_link_name(endpoint.id)
        try:
            self._links.remove(name, endpoint.id)
        except KernelError as error:
            log.warning("link not deleted yet", link=name, error=str(error))
            return [name]
        return []

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        """Name the link, and the gateways that the user gave; the engine's own gateway network stays away."""
        reply = JoinReply(container_link_name(endpoint.id), network.settings.interface_prefix)
        return with_gateways(reply, network, endpoint, attrgetter("gateway"))

    def desired(self, network: Network) -> Desired:
        """Return the parent: everything else is in containers."""
        parent = WantedParent(network.link, self._parents.index_now(network), network.owns_link)
        return Desired(network.id, parent=parent)

    def desired_port(self, network: Network, endpoint: Endpoint) -> Desired:
        """Return the link that goes into the container, unless it is known to be gone."""
        if self._parents.is_of_earlier_boot(endpoint):
            return Desired(network.id, lost=(endpoint.id,))
        if endpoint.parent and network.parent and endpoint.parent.index != network.parent.index:
            return Desired(network.id, cut=(endpoint.id,))
        mode, flag = self.variety(network)
        link = WantedLink(
            container_link_name(endpoint.id),
            self.kernel,
            endpoint_alias(self._owner, endpoint),
            endpoint.mac,
            network.settings.mtu,
            endpoint=endpoint.id,
            parent=network.link,
            variety=mode,
            flag=flag,
            moves=True,
        )
        part = Desired(network.id, [link])
        return self._shims.reached(part, network, endpoint) if _host_access(network) else part

    def _check_host_access(self, network: Network) -> None:
        """Refuse a way from the host to containers that do not even reach each other."""
        apart = [word for word in self.variety(network) if word in APART]
        if apart and _host_access(network):
            raise InvalidRequest(
                f"option '{HostAccessSettings.host_access.key}': containers of a {apart[0]} network do not reach other "
                f"links upon '{network.link}', so the host has no way to them: leave out '{apart[0]}' or this option"
            )

    def in_container(self, endpoint: Endpoint) -> bool:
        """Return whether the link left the host, and its parent is still there: else it is gone."""
        left = not self._kernel.link_exists(container_link_name(endpoint.id))
        return left and self._parents.link_of(endpoint.parent) is not None


def _host_access(network: Network) -> bool:
    return HostAccessSettings.readable(network.in_force).host_access


def other_kind(network: Network, other: Network) -> str:
    """Return why two networks of different modes cannot be on one parent, "" if only one has its links upon it."""
    if other.mode not in {kind.name for kind in ChildMode.__subclasses__()}:
        return ""  # as the bridge of a network of mode lan, in which containers have ports
    return (
        f"'{network.link}' is the parent of network '{other.id[:12]}' of mode {other.mode} already, and a link "
        f"cannot have both kinds of links upon it: use another link, or mode {other.mode}"
    )
