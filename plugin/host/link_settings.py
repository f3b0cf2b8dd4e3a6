"""The sysctls that links of a network need: set when a link is made, whatever ``conf/default`` says, and kept.

A new link inherits all of them (net/ipv4/devinet.c inetdev_init, net/ipv6/addrconf.c ipv6_add_dev), and IPv4
settings that nobody has set follow ``conf/default`` later too. docs/firewall.md has the reason for each value.
"""

from collections.abc import Mapping

from netlink.sysctl import FORWARDING
from plugin.model.desired import ANY_ON, WantedSetting
from plugin.model.records import Network
from plugin.options.network import ISOLATED

Values = Mapping[str, tuple[str, ...]]  # what is set, and what does as well, by the name of the setting

CLOSED_IPV4: Values = {
    "accept_local": ("0",),
    "accept_redirects": ("0",),
    "accept_source_route": ("0",),
    "arp_accept": ("0",),
    "arp_announce": ("0", "1", "2"),
    "arp_filter": ("0", "1"),
    "arp_ignore": ("0", "1", "2"),
    "bc_forwarding": ("0",),
    "bootp_relay": ("0",),
    "proxy_arp": ("0",),
    "proxy_arp_pvlan": ("0",),
    "rp_filter": ("2", "1", "0"),  # each works, and systemd-sysctl gives its own to links that come
}
CLOSED_IPV6: Values = {
    "addr_gen_mode": ("0",),
    "accept_ra": ("0",),
    "accept_dad": ("0", "-1"),
    "accept_redirects": ("0",),
    "accept_source_route": ("0", "-1"),
    "proxy_ndp": ("0",),
}


def has_ipv6(network: Network) -> bool:
    """Return whether the host takes part in IPv6 on the network's bridge."""
    if 6 not in network.families:
        return False
    return not network.internal or network.readable_settings.gateway_mode(6) != ISOLATED


def bridge_settings(network: Network) -> list[WantedSetting]:
    """Return the settings that the network's bridge needs; of a user's bridge as few as possible."""
    link, routed = network.link, not network.internal and 4 in network.families
    on = _on(link, "net/ipv4/conf", FORWARDING[4]) if 4 in network.families and network.forwards else []
    if not network.owns_link:
        on += [WantedSetting(f"net/ipv4/conf/{link}/route_localnet", "1", link)] if routed else []
        return on + _adopted_ipv6(network)
    values: Values = {**CLOSED_IPV4, "route_localnet": ("1" if routed else "0",)}
    return [*on, *_settings(link, "net/ipv4/conf", values), *_own_ipv6(network)]


def shim_settings(link: str) -> list[WantedSetting]:
    """Return the settings of a link by which the host reaches containers on its LAN (``plugin.host.shim``).

    It answers only for whom the host has a route by it, so that no machine of the LAN takes its MAC for the host's. In
    IPv6 it has no address and takes none, and answers as a proxy, which the kernel allows to a link that could forward;
    whether the host forwards is decided for all links together (ip6_forward, net/ipv6/ip6_output.c).
    """
    values4 = {**CLOSED_IPV4, "arp_filter": ("1",), "arp_ignore": ("0",)}
    values6 = {
        **CLOSED_IPV6,
        "addr_gen_mode": ("1",),
        "disable_ipv6": ("0",),
        "forwarding": ("1",),
        "proxy_ndp": ("1",),
    }
    delay = WantedSetting(f"net/ipv6/neigh/{link}/proxy_delay", "0", link, optional=True)
    ipv6 = _settings(link, "net/ipv6/conf", values6, optional=True)
    return [*_settings(link, "net/ipv4/conf", values4), *ipv6, delay]


def carrier_settings(link: str) -> list[WantedSetting]:
    """Return the settings of a WireGuard link: it has IPv6, and believes and asks nobody."""
    values6 = {**CLOSED_IPV6, "addr_gen_mode": ("1",), "disable_ipv6": ("0",)}
    ipv6 = _settings(link, "net/ipv6/conf", values6)
    return [*_settings(link, "net/ipv4/conf", CLOSED_IPV4), *ipv6]


def without_ipv6(link: str) -> list[WantedSetting]:
    """Return the settings of a link that needs no IPv6 of its own, such as a tunnel, which is a port of a bridge."""
    return [_ipv6_off(link)]


def _own_ipv6(network: Network) -> list[WantedSetting]:
    link = network.link
    if not has_ipv6(network):
        return [_ipv6_off(link)]
    on = _on(link, "net/ipv6/conf", FORWARDING[6], optional=True) if network.forwards else []
    return [_ipv6_on(link), *_settings(link, "net/ipv6/conf", CLOSED_IPV6, optional=True), *on]


def _adopted_ipv6(network: Network) -> list[WantedSetting]:
    if 6 not in network.families:
        return []
    return [_ipv6_on(network.link) if has_ipv6(network) else _ipv6_off(network.link)]


def _ipv6_on(link: str) -> WantedSetting:
    return WantedSetting(f"net/ipv6/conf/{link}/disable_ipv6", "0", link)


def _ipv6_off(link: str) -> WantedSetting:
    return WantedSetting(f"net/ipv6/conf/{link}/disable_ipv6", "1", link, optional=True)


def _on(link: str, folder: str, switch: str, *, optional: bool = False) -> list[WantedSetting]:
    return [WantedSetting(f"{folder}/{link}/forwarding", "1", link, (ANY_ON,), switch, optional)]


def _settings(link: str, folder: str, values: Values, *, optional: bool = False) -> list[WantedSetting]:
    return [
        WantedSetting(f"{folder}/{link}/{name}", value, link, tuple(also), optional=optional)
        for name, (value, *also) in values.items()
    ]
