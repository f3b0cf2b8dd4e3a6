"""Finds out where the host really sends packets of networks: a VPN's route or a routing rule may come first."""

import errno
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

from plugin.doctor.facts import Detour
from plugin.doctor.walls import a_container
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import Address, InterfaceAddress, Subnet

OUTSIDE = {4: ip_address("198.51.100.1"), 6: ip_address("2001:db8::1")}  # for documentation: nobody has them
MOST = 64  # containers of a network whose addresses are asked for
_WORDS = {
    errno.EINVAL: "a route or a rule that drops them (blackhole)",
    errno.EHOSTUNREACH: "a route or a rule that refuses them (unreachable)",
    errno.EACCES: "a route or a rule that refuses them (prohibit)",
    errno.ENETUNREACH: "no route at all",
    errno.EXDEV: "a filter that takes their source for forged (rp_filter)",
}


class RouteLookup(Protocol):
    """Asks the kernel for routes (``netlink.routes.RouteLookup``)."""

    def link_towards(self, address: bytes, source: bytes = b"", link: int = 0) -> int:
        """Return the index of the link towards ``address``; raises OSError if packets are dropped."""


@dataclass(frozen=True, slots=True)
class HostRoutes:
    """Links by name, addresses of links, the subnets of routes, and the IP versions that are forwarded."""

    links: Mapping[str, int]
    addresses: Collection[tuple[str, InterfaceAddress]]
    routes: Sequence[Subnet]
    forwards: Collection[int]


def detours(
    networks: Iterable[Network], endpoints: Sequence[Endpoint], host: HostRoutes, lookup: RouteLookup
) -> tuple[Detour, ...]:
    """Return at most one detour per subnet that is on the link of its network.

    Raises:
        OSError: the kernel does not answer.
    """
    found = []
    for network in (each for each in networks if each.host_gateway):
        own = [end for end in endpoints if end.network_id == network.id]
        for pool in (subnet.pool for subnet in network.subnets):
            if any(link == network.link and address.network == pool for link, address in host.addresses):
                both = (_inwards(network, pool, own, host, lookup), _outwards(network, pool, own, host, lookup))
                found += [detour for detour in both if detour][:1]
    return tuple(found)


def uplink(version: int, names: Mapping[int, str], lookup: RouteLookup) -> str:
    """Return the name of the link that leads outside, "" without one."""
    try:
        return names.get(lookup.link_towards(OUTSIDE[version].packed), "")
    except OSError:
        return ""


def _inwards(
    network: Network, pool: Subnet, own: Sequence[Endpoint], host: HostRoutes, lookup: RouteLookup
) -> Detour | None:
    names = {index: name for name, index in host.links.items()}
    for address, exists in _asked(network, pool, own, host):
        try:
            index = lookup.link_towards(address.packed)
        except OSError as error:
            return Detour(network.id, pool, network.link, str(address), _words(error))
        if index != host.links[network.link] and (exists or names.get(index) != "lo"):
            return Detour(network.id, pool, network.link, str(address), f"link '{names.get(index, index)}'")
    return None


def _outwards(
    network: Network, pool: Subnet, own: Sequence[Endpoint], host: HostRoutes, lookup: RouteLookup
) -> Detour | None:
    source, outside = a_container(network, own, pool.version), OUTSIDE[pool.version]
    if network.internal or source is None or pool.version not in host.forwards:
        return None
    try:
        lookup.link_towards(outside.packed)
    except OSError:
        return None  # the host itself gets nowhere
    try:
        lookup.link_towards(outside.packed, source.packed, host.links[network.link])
    except OSError as error:
        return Detour(network.id, pool, network.link, str(source), _words(error), outwards=True)
    return None


def _asked(network: Network, pool: Subnet, own: Sequence[Endpoint], host: HostRoutes) -> Iterator[tuple[Address, bool]]:
    """Yield addresses to ask for, also the ends of routes into the subnet, and whether a container has them."""
    interfaces = [end.ipv4 if pool.version == 4 else end.ipv6 for end in own]
    yield from ((interface.ip, True) for interface in interfaces[:MOST] if interface and interface.ip in pool)
    if (some := a_container(network, (), pool.version)) is not None:
        yield some, False
    taken = {address.ip for _, address in host.addresses}
    for route in host.routes:
        if route.version == pool.version and route.prefixlen > pool.prefixlen and route.network_address in pool:
            last = min(1, route.num_addresses - 1)
            yield from ((one, False) for one in (route[0], route[last]) if one not in taken)


def _words(error: OSError) -> str:
    return _WORDS.get(error.errno or 0, error.strerror or str(error))
