"""Ipvlan mode: containers are on the LAN of a link of the host, with addresses of their own and the link's MAC address.

    container                 host
    ┌────────────┐           ┌─────────────────────────────┐
    │ eth0  ◄────┼─ ipvlan ──┼── eth0, the parent ─────────┼──► LAN
    └────────────┘           └─────────────────────────────┘

In mode l2 containers are machines of the LAN, as in mode macvlan. In l3 and l3s the parent routes between them and the
LAN, whose machines need a route to the containers' subnets by the host. Mode and flag belong to the parent: a link with
another mode turns all others on the same parent to that mode (drivers/net/ipvlan/ipvlan_main.c, ipvlan_set_port_mode),
so networks of one parent must have the same.
"""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import cast

from plugin.errors import InvalidRequest, Unsupported
from plugin.model.desired import Desired
from plugin.model.records import Endpoint, Network
from plugin.modes.children import ChildMode, Variety, other_kind
from plugin.options.host_access import HostAccessSettings
from plugin.options.network import NetworkSettings
from plugin.options.option import Option, toggle
from plugin.options.parent import word_or_first
from plugin.protocol.messages import CreateNetwork, InterfaceAddress, JoinReply, StaticRoute, Subnet

_EVERYWHERE: dict[int, Subnet] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}


class IpvlanSettings(HostAccessSettings):
    """Settings of a network of this mode; the first two keys are those of the built-in driver (moby drivers/ipvlan)."""

    ipvlan_mode = Option(
        "ipvlan_mode",
        word_or_first("l2", "l3", "l3s"),
        "l2",
        "l2, l3 or l3s",
        "`l2`: containers are machines of the LAN; `l3`: the link routes between containers and the LAN, without ARP; "
        "`l3s`: the same, and the host's netfilter sees what the link routes. All networks of one link have one mode",
    )
    ipvlan_flag = Option(
        "ipvlan_flag",
        word_or_first("bridge", "private", "vepa"),
        "bridge",
        "bridge, private or vepa",
        "`bridge`: containers of one link reach each other; `private`: they do not; `vepa`: they do by a switch that "
        "sends frames back. All networks of one link have one flag",
    )
    default_route = Option(
        "pynet.default_route",
        toggle,
        True,
        "on or off",
        "with `ipvlan_mode` `l3` or `l3s`: whether containers send everything by the link, or only what goes to the "
        "network's subnets, as a container needs that has its default route by another network",
    )


class IpvlanMode(ChildMode):
    """See the module's description."""

    name = kernel = "ipvlan"
    summary = "on the LAN of a link of the host and with its MAC address, by ipvlan"
    settings = IpvlanSettings

    @staticmethod
    def variety(network: Network) -> Variety:
        """Return the mode and the flag that the user chose."""
        own = IpvlanSettings.readable(network.in_force)
        return Variety(own.ipvlan_mode, own.ipvlan_flag)

    def shared_mac(self, network: Network) -> str:
        """Return the parent's MAC, which the kernel gives to every link."""
        return network.parent.mac if network.parent else ""

    def conflict(self, network: Network, other: Network) -> str:
        """Refuse a network that would change the links of another one, and links of another kind."""
        if other.mode != self.name:
            return other_kind(network, other)
        mine, theirs = self.variety(network), self.variety(other)
        if mine == theirs:
            return ""
        return (
            f"network '{other.id[:12]}' is already using parent interface '{network.link}' with ipvlan_mode="
            f"{theirs.mode} and ipvlan_flag={theirs.flag}, and its containers would change to {mine.mode} and "
            f"{mine.flag} too: use the same mode and flag, or another parent"
        )

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        """Return the network of ``request``.

        Raises:
            InvalidRequest: as for every mode with a parent, or options that do not go together.
            Unsupported: the kernel has no ipvlan.
        """
        own = cast("IpvlanSettings", settings)
        if own.ipvlan_mode == "l2" and not own.default_route:
            raise InvalidRequest(
                f"option '{IpvlanSettings.default_route.key}': with ipvlan_mode=l2 the default route leads to the "
                "gateway; create the network without --gateway, or with -o ipvlan_mode=l3"
            )
        if own.ipvlan_mode != "l2" and own.dhcp:
            raise InvalidRequest(
                f"option '{IpvlanSettings.dhcp.key}': with ipvlan_mode={own.ipvlan_mode} the subnet is not that of the "
                "LAN, whose server cannot lease its addresses; use ipvlan_mode=l2"
            )
        network = super().plan(request, settings)
        if not self._kernel.has_kind(self.kernel):
            raise Unsupported(
                "this kernel has no links of kind 'ipvlan' (CONFIG_IPVLAN); use -o pynet.mode=macvlan, or "
                "-o pynet.mode=lan with a bridge of the host"
            )
        return network

    def desired_port(self, network: Network, endpoint: Endpoint) -> Desired:
        """Return the link without a MAC to set: the kernel refuses one."""
        part = super().desired_port(network, endpoint)
        return replace(part, links=[replace(link, mac="") for link in part.links])

    def join(self, network: Network, endpoint: Endpoint) -> JoinReply:
        """Route by the link itself in l3 and l3s, where nobody answers for a gateway, as the built-in driver does."""
        reply, own = super().join(network, endpoint), IpvlanSettings.read(network.in_force)
        if own.ipvlan_mode == "l2":
            return reply
        everywhere = own.default_route and not network.internal
        given = (address for address in (endpoint.ipv4, endpoint.ipv6) if address is not None)
        routes = [route for address in given for route in _routes(network, address, everywhere=everywhere)]
        return replace(reply, gateway=None, gateway_ipv6=None, static_routes=tuple(routes))


def _routes(network: Network, address: InterfaceAddress, *, everywhere: bool) -> Iterator[StaticRoute]:
    """Yield the routes of a container beside that to its own subnet, which comes with its address."""
    if everywhere:
        yield StaticRoute(_EVERYWHERE[address.version])
        return
    for subnet in network.subnets:
        if subnet.pool.version == address.version and address.ip not in subnet.pool:
            yield StaticRoute(subnet.pool)
