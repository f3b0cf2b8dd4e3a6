"""Elements of the sets and maps in ``plugin.firewall.sets``: for networks, endpoints, ports, Docker's bridges."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Address

from netlink.nft_elements import Element, NamedSet
from plugin.firewall import sets
from plugin.firewall.policy_elements import policy_elements, relay_elements
from plugin.model.elements import Elements
from plugin.model.names import host_link_name, vxlan_name
from plugin.model.policy import policy_of
from plugin.model.records import Endpoint, Guard, Network, Overlay, Published
from plugin.model.resolver_place import RESOLVER
from plugin.options.network import NAT, ROUTED, UNPROTECTED, NetworkSettings
from plugin.options.tunnel import is_routed
from plugin.protocol.messages import Address, Subnet

PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}  # IANA's numbers, as nft and Docker write them
_ICMP = {4: 1, 6: 58}  # IANA's numbers, by IP version


def network_elements(network: Network) -> Elements:
    """Return the elements of ``network``."""
    return tuple(_of_network(network))


def _of_network(network: Network) -> Iterator[Element]:
    settings, link = network.settings, network.link
    yield sets.BRIDGES.element(link)
    if settings.icc:
        yield sets.SAME_NETWORK.element(link, link)
    for subnet in network.subnets:
        yield sets.SUBNETS[subnet.pool.version].element(link, subnet.pool)
    yield from _of_resolver(network)
    if network.internal:
        yield from _of_internal(network)
        return
    for version in sorted({subnet.pool.version for subnet in network.subnets}):
        yield from _of_version(link, version, settings)
    for trusted in settings.trusted:
        yield sets.TRUSTED.element(trusted, link)


def resolver_versions(network: Network) -> Sequence[int]:
    """Return the IP versions by which containers of a network ask the resolver.

    Raises:
        InvalidRequest: see ``Network.settings``.
    """
    versions = {address.version for address in network.gateway_addresses}
    return sorted(versions) if network.settings.dns != "off" else ()


def _of_resolver(network: Network) -> Iterator[Element]:
    """Lead questions of containers to the resolver; without a gateway address on the host they cannot ask it."""
    versions = resolver_versions(network)
    for address in network.gateway_addresses if versions else ():
        yield sets.RESOLVED[address.version].element(network.link, address.ip)
    for version in versions:
        yield sets.RESOLVED[version].element(network.link, RESOLVER[version])
        if network.settings.dns == "hijack":
            yield sets.HIJACKED.element(network.link, version)


def _of_internal(network: Network) -> Iterator[Element]:
    """Close the network; the input of a bridge that a user made stays open: it may be the host's way to its LAN."""
    yield sets.INTERNAL.element(network.link)
    if not network.owns_link:
        yield sets.ADOPTED.element(network.link)
        return
    for address in network.gateway_addresses:
        yield sets.INTERNAL_GATEWAYS[address.version].element(address.ip)


def _of_version(link: str, version: int, settings: NetworkSettings) -> Iterator[Element]:
    mode, source = settings.gateway_mode(version), settings.source_address(version)
    if settings.masquerade and mode in {NAT, UNPROTECTED}:
        if source is not None:
            yield sets.SOURCES[version].element(link, source)
        else:
            yield sets.MASQUERADED.element(link, version)
    if mode == UNPROTECTED:
        yield sets.UNPROTECTED.element(link, version)
    if mode == ROUTED:
        yield sets.ROUTED_ICMP.element(link, version, _ICMP[version])


def tunnel_elements(network: Network, overlay: Overlay, carriers: Iterable[str] = ()) -> Elements:
    """Return the elements that keep frames out that claim to be the gateway: every host has it under one address.

    With ``carriers`` the network is encrypted, and its VXLAN passes by these links alone, also while they are missing.

    No frames are accepted from other hosts at all until ``member_elements`` name them.
    """
    tunnel, gateways = vxlan_name(network.id), [subnet.gateway.ip for subnet in network.subnets if subnet.gateway]
    isolated = () if network.settings.icc else (sets.ISOLATED.element(tunnel),)
    own = (sets.VXLAN_NETWORKS.element(overlay.port, overlay.vni), sets.TUNNELS.element(tunnel), *isolated)
    if links := [sets.CARRIERS.element(name) for name in carriers]:
        own = (*own, sets.ENCRYPTED.element(overlay.port, overlay.vni), *links)
    direct = _direct(network) if is_routed(network.options) else ()
    return (*own, *_local(tunnel, network.mac, gateways), *direct)


def local_elements(network: Network, endpoint: Endpoint) -> Elements:
    """Return the elements that keep frames out of the tunnel that claim to be a guarded ``endpoint`` of this host."""
    if endpoint.taken or not endpoint.guard(network).on:
        return ()
    local = [link_local(endpoint.mac)] if endpoint.ipv6 else []
    return tuple(_local(vxlan_name(network.id), endpoint.mac, [*_addresses(endpoint), *local]))


def member_elements(port: int, vni: int, hosts: Iterable[Address]) -> Elements:
    """Return the elements that accept the VXLAN of a network from ``hosts``; ``port`` is its UDP port."""
    return tuple(sets.VXLAN_MEMBERS[host.version].element(host, port, vni) for host in hosts)


def link_elements(links: Iterable[str]) -> Elements:
    """Return the elements for the links that lead to hosts whose containers are reached without a tunnel."""
    return tuple(sets.DIRECT_LINKS.element(link) for link in sorted(links))


def _direct(network: Network) -> Iterator[Element]:
    """Yield the elements that let containers reach those of other hosts, and others not."""
    for subnet in network.subnets:
        yield sets.DIRECT_SUBNETS[subnet.pool.version].element(subnet.pool.version, subnet.pool)
        if network.settings.icc:
            yield sets.DIRECT[subnet.pool.version].element(network.link, subnet.pool)


def _local(tunnel: str, mac: str, addresses: Iterable[Address]) -> Iterator[Element]:
    """Yield the MAC and addresses of this host that may not come in by ``tunnel``."""
    yield sets.LOCAL_MACS.element(tunnel, mac)
    for address in addresses:
        yield sets.LOCAL_ADDRESSES[address.version].element(tunnel, address)
        if address.version == 6:
            yield sets.LOCAL_TARGETS.element(tunnel, address)


def endpoint_elements(network: Network, endpoint: Endpoint) -> Elements:
    """Return the elements of the port of ``endpoint``; from one whose address is another host's nothing may come."""
    if endpoint.taken:
        return tuple(shut_elements((), [host_link_name(endpoint.id)]))
    return tuple(_of_endpoint(network, endpoint))


def _of_endpoint(network: Network, endpoint: Endpoint) -> Iterator[Element]:
    settings, guard, policy = network.settings, endpoint.guard(network), policy_of(network, endpoint)
    port = host_link_name(endpoint.id)
    addresses = _addresses(endpoint)
    if not settings.icc:
        yield sets.ISOLATED.element(port)
        yield sets.GATEWAY_MACS.element(port, network.mac)
    pairs = sets.PORT_ADDRESSES if settings.icc else sets.ISOLATED_ADDRESSES
    yield from guard_elements(endpoint, guard, pairs if policy.allow_out is None else sets.EGRESS_ADDRESSES)
    if not guard.on or guard.allowed.subnets:  # it may be a router, which reports errors about flows of others
        for address in addresses:
            yield sets.ROUTERS[address.version].element(address)
    yield from policy_elements(network, endpoint, policy, _own(endpoint.mac, addresses))
    for way in endpoint.ways:
        for address in endpoint.direct_addresses(network):
            yield sets.MULTIHOMED[address.version].element(host_link_name(way.endpoint_id), way.mac, address)


def _addresses(endpoint: Endpoint) -> list[Address]:
    return [own.ip for own in (endpoint.ipv4, endpoint.ipv6) if own]


def guard_elements(
    endpoint: Endpoint, guard: Guard, pairs: Mapping[int, NamedSet], *, on_lan: bool = False
) -> Iterator[Element]:
    """Yield what the port of an endpoint may send from; the MACs and addresses are in ``pairs``.

    ``on_lan`` it may have IPv6 without an address that pynet knows.
    """
    if not guard.on:
        return
    port, macs = host_link_name(endpoint.id), [endpoint.mac, *guard.allowed.macs]
    yield sets.GUARDED.element(port)
    addresses = [address for mac in macs for address in _own(mac, _addresses(endpoint), on_lan=on_lan)]
    every = [*dict.fromkeys(addresses)]
    for mac in macs:
        yield sets.PORT_MACS.element(port, mac)
        for address in every:
            yield pairs[address.version].element(port, mac, address)
    for address in every:
        if address.version == 6:
            yield sets.PORT_TARGETS.element(port, address)
    yield from _allowed(port, macs, guard.allowed.subnets)


def _own(mac: str, addresses: Sequence[Address], *, on_lan: bool = False) -> list[Address]:
    """Return the addresses of a MAC, with the link-local one of those that have IPv6."""
    has_ipv6 = on_lan or any(address.version == 6 for address in addresses)
    return [*([link_local(mac)] if has_ipv6 else []), *addresses]


def _allowed(port: str, macs: Sequence[str], subnets: Sequence[Subnet]) -> Iterator[Element]:
    for subnet in subnets:
        for mac in macs:
            yield sets.ALLOWED[subnet.version].element(port, mac, subnet)
        if subnet.version == 6:
            yield sets.ALLOWED_TARGETS.element(port, subnet)


def link_local(mac: str) -> IPv6Address:
    """Return the address that the kernel forms from a MAC (RFC 4291, appendix A)."""
    raw = bytes.fromhex(mac.replace(":", ""))
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes([raw[0] ^ 2, *raw[1:3], 0xFF, 0xFE, *raw[3:]]))


def port_elements(network: Network, endpoint: Endpoint, published: Sequence[Published]) -> Elements:
    """Return the elements that publish ports; nftables cannot publish a port of one family on the other.

    They would lead to another host's container where that has the address.
    """
    if endpoint.taken:
        return ()
    trusting = bool(network.settings.trusted)
    found = dict.fromkeys(element for port in published for element in _of_port(port, trusting=trusting))
    return (*found, *relay_elements(policy_of(network, endpoint), published))


def translation(port: Published) -> Element | None:
    """Return the element that leads packets of the host to the container; None if none does, see ``port_elements``."""
    host, version = port.host, port.target.version
    if host is None or host.version != version:
        return None
    to = (port.proto, port.host_port, port.target, port.port)
    return (
        sets.PUBLISHED_ANY[version].element(*to) if host.is_unspecified else sets.PUBLISHED[version].element(host, *to)
    )


def _of_port(port: Published, *, trusting: bool) -> Iterator[Element]:
    version, own = port.target.version, (port.target, port.proto, port.port)
    host = port.host
    if host is None:
        yield sets.ROUTED_PORTS[version].element(*own)
        return
    if element := translation(port):
        yield element
        if trusting:
            yield sets.TRUSTED_PORTS[version].element(*own)
    if host.version == 6 and (version == 4 or host.is_unspecified):
        yield sets.RELAYED_PORTS.element(port.proto, port.host_port)


def docker_elements(names: Iterable[str]) -> Elements:
    """Return the elements of Docker's own bridges."""
    return tuple(sets.DOCKER_BRIDGES.element(name) for name in sorted(names))


def shim_elements(link: str) -> Elements:
    """Return the elements of a link by which the host reaches containers on its LAN."""
    return (sets.SHIMS.element(link),)


def closed(elements: Elements) -> Elements:
    """Return the elements that close an owner, in the place of its own: see ``shut_elements``."""
    fit = [element for element in elements if not element.flaw]
    bridges = [element.values[0] for element in fit if element.of is sets.BRIDGES]
    ports = [element.values[0] for element in fit if element.of in {sets.GUARDED, sets.ISOLATED, sets.TUNNELS}]
    return shut_elements(bridges, ports)


def shut_elements(bridges: Iterable[str], ports: Iterable[str]) -> Elements:
    """Return the elements that make networks internal, by their bridges, and guard ports without allowing anything."""
    found = [of.element(bridge) for bridge in bridges for of in (sets.BRIDGES, sets.INTERNAL)]
    found += [sets.GUARDED.element(port) for port in ports]
    return [element for element in dict.fromkeys(found) if not element.flaw]
