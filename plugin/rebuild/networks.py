"""Makes records from the state of the kernel, when the store is damaged or gone.

The aliases of links say which network or endpoint they belong to; addresses give subnets and gateways; the sets and
maps of ``plugin.firewall.sets`` give the options of networks, and the addresses and ports of endpoints. A warning for
each network names the options that the kernel does not show: the user may have to create that network again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_network
from typing import Any

import structlog

from netlink.errors import Missing
from netlink.limits import Bucket
from netlink.links import Link
from netlink.nft_elements import NamedSet
from netlink.values import dataclass
from plugin.firewall import sets
from plugin.firewall.elements import link_local
from plugin.firewall.listing import NAMES, listed_elements
from plugin.firewall.ruleset import RULES
from plugin.interfaces import Kernel, Nft
from plugin.ipam.supernets import Supernet
from plugin.model.names import ENDPOINT, LIMITER, Alias, LeaseWord, bridge_name, host_link_name, limiter_name
from plugin.model.names import NETWORK as NETWORK_ALIAS
from plugin.model.records import DEFAULT_MTU, Endpoint, Network, NetworkSubnet, Published, Tombstone, Way
from plugin.options.network import ISOLATED, ROUTED, UNPROTECTED, EndpointSettings, NetworkSettings
from plugin.options.rates import Rate
from plugin.protocol.messages import Address, InterfaceAddress, Subnet
from plugin.rebuild.policies import policy_options
from plugin.rebuild.pools import rebuild_pools
from plugin.store.base import Record

log = structlog.get_logger()

# Names of sets and maps in the tables of earlier versions, which may be in the kernel when the store is lost.
_BY_VERSION = {
    "source": sets.SOURCES,
    "open": sets.ROUTED_PORTS,
    "ports": sets.PUBLISHED,
    "anywhere": sets.PUBLISHED_ANY,
    "pairs": sets.PORT_ADDRESSES,
    "ways": sets.MULTIHOMED,
}
FORMER_NAMES: Mapping[str, NamedSet] = {
    "links": sets.BRIDGES,
    "inside": sets.SAME_NETWORK,
    "internal": sets.INTERNAL,
    "outbound": sets.MASQUERADED,
    "direct": sets.ROUTED_ICMP,
    "trusted": sets.TRUSTED,
    "macs": sets.PORT_MACS,
    **{f"{name}{version}": of for name, pair in _BY_VERSION.items() for version, of in pair.items()},
}

SHOWN = (
    NetworkSettings.mode,
    NetworkSettings.guard,
    NetworkSettings.bridge_name,
    NetworkSettings.gateway_mode_ipv4,
    NetworkSettings.gateway_mode_ipv6,
    NetworkSettings.masquerade,
    NetworkSettings.icc,
    NetworkSettings.inhibit_ipv4,
    NetworkSettings.host_ipv4,
    NetworkSettings.host_ipv6,
    NetworkSettings.trusted,
    NetworkSettings.mtu,
)
_HIDDEN = [option.key for option in NetworkSettings.options() if option not in SHOWN]
NOT_SHOWN = f"auxiliary addresses, {', '.join(_HIDDEN)}: the defaults are used"
_ANY: Mapping[int, Address] = {4: IPv4Address(0), 6: IPv6Address(0)}
_MODES = {4: NetworkSettings.gateway_mode_ipv4, 6: NetworkSettings.gateway_mode_ipv6}
_SOURCES = {4: NetworkSettings.host_ipv4, 6: NetworkSettings.host_ipv6}

MODE = NetworkSettings.mode.default  # of networks whose links show no other
InItsMode = Callable[[Network, Sequence[Link]], Network]
Elements = Mapping[NamedSet, Sequence[tuple[Any, ...]]]  # set or map -> the values of its elements


@dataclass(frozen=True, slots=True)
class KernelView:
    """The state that the kernel shows. ``elements`` is empty if the tables were flushed; ``buckets`` limit links."""

    links: Sequence[Link] = ()
    addresses: Sequence[tuple[str, InterfaceAddress]] = ()
    elements: Elements = field(default_factory=dict)
    buckets: Mapping[str, Bucket] = field(default_factory=dict)


def rebuilder(
    kernel: Kernel, nft: Nft, owner: str, supernets: Sequence[Supernet], in_its_mode: InItsMode
) -> Callable[[Sequence[Record]], Sequence[Record]]:
    """Return the function that ``open_store`` calls if records are lost; it may raise ``KernelError``."""

    def fill(known: Sequence[Record]) -> Sequence[Record]:
        found = rebuild(look(kernel, nft, owner), owner, known, in_its_mode)
        return [*found, *rebuild_pools(supernets, [*known, *found])]

    return fill


def look(kernel: Kernel, nft: Nft, table: str) -> KernelView:
    """Read links, addresses and sets; raises ``KernelError``."""
    found: dict[NamedSet, list[tuple[Any, ...]]] = defaultdict(list)
    for family in RULES:
        with suppress(Missing):
            for element in listed_elements(nft.list(f"table {family} {table}"), {**FORMER_NAMES, **NAMES}):
                if element.flaw:  # nobody but pynet writes there, and a start must not depend on that
                    log.warning("element of another program not rebuilt", error=element.flaw)
                else:
                    found[element.of].append(element.values)
    links = kernel.links()
    return KernelView(links, kernel.addresses(), found, kernel.buckets([link.name for link in links if link.limited]))


def rebuild(seen: KernelView, owner: str, known: Sequence[Record], in_its_mode: InItsMode) -> list[Record]:
    """Return networks and endpoints of ``owner`` (the pynet's name) that ``known`` lacks.

    ``in_its_mode`` returns a network as its mode makes it, from the links that pynet made for it.
    A link with a tombstone among ``known`` was being deleted and is left alone.
    """
    doomed = {record.link for record in known if isinstance(record, Tombstone)}
    links = [link for link in seen.links if link.name not in doomed]
    have = {record.id: record for record in known if isinstance(record, Network)}
    shown = [*_adopted(seen, links, owner, in_its_mode), *_networks(seen, links, owner, in_its_mode)]
    networks = {network.id: network for network in shown if network.id not in have}
    everything = {**have, **networks}
    has = {record.id for record in known if isinstance(record, Endpoint)}
    endpoints = _with_ways(seen, [end for end in _endpoints(seen, links, owner, everything) if end.id not in has])
    finished = [_finished(seen, network, endpoints) for network in networks.values()]
    return [*finished, *endpoints]


def _alias(link: Link, owner: str, what: str) -> Alias:
    """Return the alias of a link, an empty one if ``owner`` did not make it for a ``what``."""
    alias = Alias.read(link.alias)
    return alias if (alias.pynet, alias.what) == (owner, what) else Alias()


def _networks(seen: KernelView, links: Sequence[Link], owner: str, in_its_mode: InItsMode) -> Iterator[Network]:
    own: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        own[_alias(link, owner, NETWORK_ALIAS).id].append(link)
    for link in links:
        identity = _alias(link, owner, NETWORK_ALIAS).id
        if identity and link.kind == "bridge":
            subnets = tuple(NetworkSubnet(address.network, address) for address in _addresses(seen, link.name))
            network = Network(
                identity, MODE, link.name, subnets=subnets, mac=link.mac, options=_link_options(link, identity)
            )
            yield in_its_mode(network, own[identity])


def _adopted(seen: KernelView, links: Sequence[Link], owner: str, in_its_mode: InItsMode) -> Iterator[Network]:
    """Yield networks on bridges that pynet did not make: their endpoints' aliases name them (``modes.bridge``)."""
    masters = {link.index: link for link in seen.links}
    for link in links:
        network_id = _alias(link, owner, ENDPOINT).network_id
        if network_id and link.master in masters:
            bridge = masters[link.master]
            own = set(_addresses_of_port(seen.elements, link.name))
            there = [a for a in _addresses(seen, bridge.name) if any(address in a.network for address in own)]
            subnets = tuple(NetworkSubnet(address.network, address) for address in there)
            options = {NetworkSettings.bridge_name.key: bridge.name}
            # What was there before pynet came is not known; so nothing is taken off when the network goes.
            network = Network(network_id, MODE, bridge.name, False, False, subnets, options, tuple(there), bridge.mac)
            yield in_its_mode(network, [link])


def _addresses(seen: KernelView, link: str) -> list[InterfaceAddress]:
    return sorted((address for name, address in seen.addresses if name == link), key=lambda address: address.version)


def _link_options(link: Link, identity: str) -> dict[str, str]:
    options = {}
    if link.name != bridge_name(identity):
        options[NetworkSettings.bridge_name.key] = link.name
    if link.mtu not in {0, DEFAULT_MTU}:
        options[NetworkSettings.mtu.key] = str(link.mtu)
    return options


def _endpoints(
    seen: KernelView, links: Sequence[Link], owner: str, networks: Mapping[str, Network]
) -> Iterator[Endpoint]:
    names = {link.index: link.name for link in seen.links}
    by_bridge = {network.link: network for network in networks.values()}
    for link in links:
        alias = _alias(link, owner, ENDPOINT)
        if not alias.id or link.name.startswith(LIMITER):
            continue
        network = networks.get(alias.network_id) or by_bridge.get(names.get(link.master, ""))
        if network is None:
            log.error("endpoint not rebuilt: no known network has its link", endpoint=alias.id[:12], link=link.name)
        else:
            endpoint = _leased(_endpoint(seen.elements, link.name, alias.id, network), alias.lease)
            yield replace(endpoint, driver_opts={**endpoint.driver_opts, **_rates(seen, alias.id)})


def _leased(endpoint: Endpoint, lease: LeaseWord | None) -> Endpoint:
    """Return an endpoint with the subnet of its lease by DHCP, and the names by which its server knows it."""
    if lease is None or endpoint.ipv4 is None:
        return endpoint
    options = {EndpointSettings.client_id.key: lease.client_id.hex(":")} if lease.client_id else {}
    options |= {EndpointSettings.host_name.key: lease.host_name} if lease.host_name else {}
    address = IPv4Interface((endpoint.ipv4.ip, lease.length))
    return replace(endpoint, ipv4=address, driver_opts={**endpoint.driver_opts, **options})


def _rates(seen: KernelView, identity: str) -> dict[str, str]:
    """Return the options that limit the rates of an endpoint, also where they were its network's."""
    links = {EndpointSettings.rate_in: host_link_name(identity), EndpointSettings.rate_out: limiter_name(identity)}
    shown = {option.key: seen.buckets[link] for option, link in links.items() if link in seen.buckets}
    return {key: str(Rate(bucket.rate * 8)) for key, bucket in shown.items()}


def _endpoint(elements: Elements, link: str, identity: str, network: Network) -> Endpoint:
    mac = next((mac for port, mac in elements.get(sets.PORT_MACS, ()) if port == link), "")
    found = _addresses_of_port(elements, link)
    own = [_interface(elements, network, address) for address in found if not mac or address != link_local(mac)]
    if not own:
        log.warning("endpoint rebuilt without addresses: no guard shows them", endpoint=identity[:12], link=link)
    ipv4 = next((address for address in own if isinstance(address, IPv4Interface)), None)
    ipv6 = next((address for address in own if isinstance(address, IPv6Interface)), None)
    published = tuple(_published(elements, {address.ip for address in own}))
    options = policy_options(elements, link, [address.ip for address in own])
    changed = (link,) in elements.get(sets.CHANGED_PORTS, ())
    return Endpoint(identity, network.id, mac, ipv4, ipv6, options, published, policy_changed=changed)


def _with_ways(seen: KernelView, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Add to endpoints their ways: other endpoints of the container that may send from their addresses."""
    keys = {host_link_name(end.id): end.key for end in endpoints}
    ways: dict[Address, list[Way]] = defaultdict(list)
    for port, mac, address in _of_both(seen.elements, sets.MULTIHOMED):
        if port in keys:
            ways[address].append(Way(keys[port], mac))
    own = {end.key: [address.ip for address in (end.ipv4, end.ipv6) if address] for end in endpoints}
    found = {end.key: dict.fromkeys(way for address in own[end.key] for way in ways[address]) for end in endpoints}
    return [replace(end, ways=tuple(found[end.key])) for end in endpoints]


def _addresses_of_port(elements: Elements, link: str) -> list[Address]:
    """Return the addresses that the guard lets a port send from."""
    every = (sets.PORT_ADDRESSES, sets.ISOLATED_ADDRESSES, sets.EGRESS_ADDRESSES)
    return [address for of in every for port, _, address in _of_both(elements, of) if port == link]


def _of_both(elements: Elements, pair: Mapping[int, NamedSet]) -> Iterator[tuple[Any, ...]]:
    """Yield the elements of a set for IPv4 and of the one for IPv6."""
    for of in pair.values():
        yield from elements.get(of, ())


def _interface(elements: Elements, network: Network, address: Address) -> InterfaceAddress:
    """Return an address with the length of its subnet, which the firewall shows where no gateway does."""
    pools = [subnet.pool for subnet in network.subnets if address in subnet.pool]
    pools += [pool for pool in _pools(elements, network.link, address.version) if address in pool]
    length = pools[0].prefixlen if pools else address.max_prefixlen
    return IPv4Interface((address, length)) if address.version == 4 else IPv6Interface((address, length))


def _pools(elements: Elements, link: str, version: int) -> list[Subnet]:
    """Return the subnets of an IP version that the firewall knows of a bridge."""
    return [ip_network(pool) for bridge, pool in elements.get(sets.SUBNETS[version], ()) if bridge == link]


def _published(elements: Elements, own: set[Address]) -> Iterator[Published]:
    """Yield the ports that lead to the addresses ``own``, except relayed ones, which nftables does not show."""
    for found in _publications(elements):
        try:
            found.check()
        except ValueError as error:  # as with elements that are not understood
            log.warning("published port not rebuilt", port=str(found), error=str(error))
            continue
        if found.target in own:
            yield found


def _publications(elements: Elements) -> Iterator[Published]:
    for version, anywhere in _ANY.items():
        for proto, host_port, target, port in elements.get(sets.PUBLISHED_ANY[version], ()):
            yield Published(proto, port, target, anywhere, host_port)
        for host, proto, host_port, target, port in elements.get(sets.PUBLISHED[version], ()):
            yield Published(proto, port, target, host, host_port)
        for target, proto, port in elements.get(sets.ROUTED_PORTS[version], ()):
            yield Published(proto, port, target, None, 0)


def _finished(seen: KernelView, network: Network, endpoints: Sequence[Endpoint]) -> Network:
    """Add the options that the sets show to a network, and log those that nothing shows."""
    elements, link = seen.elements, network.link
    mine = [endpoint for endpoint in endpoints if endpoint.network_id == network.id]
    internal = (link,) in elements.get(sets.INTERNAL, ())
    missing, unseen = _subnets_without_gateway(elements, network, mine)
    options = {**network.options}
    if (link,) in elements.get(sets.BRIDGES, ()):
        options |= _firewall_options(elements, link, internal=internal)
    if {(link,), (link, link)} & {*elements.get(sets.BRIDGES, ()), *elements.get(sets.LANS, ())}:
        options |= {} if not mine or any(endpoint.mac for endpoint in mine) else {NetworkSettings.guard.key: "off"}
    for version in sorted({subnet.version for subnet in missing} | unseen) if network.host_gateway else ():
        if internal:
            options[_MODES[version].key] = ISOLATED
        elif version == 4:
            options[NetworkSettings.inhibit_ipv4.key] = "true"
    log.warning(
        "network rebuilt from the kernel",
        network=network.id[:12],
        link=link,
        subnets=[str(subnet.pool) for subnet in network.subnets] + [str(subnet) for subnet in missing],
        options=options,
        endpoints=len(mine),
        not_known=NOT_SHOWN + ("; the subnet of a family without gateway address" if unseen else ""),
    )
    subnets = (*network.subnets, *(NetworkSubnet(subnet) for subnet in missing))
    ordered = tuple(sorted(subnets, key=lambda subnet: subnet.pool.version))
    return replace(network, internal=internal or network.internal, subnets=ordered, options=options)


def _subnets_without_gateway(
    elements: Elements, network: Network, endpoints: Sequence[Endpoint]
) -> tuple[list[Subnet], set[int]]:
    """Return the subnets of families without a gateway on the bridge, and the families whose subnet is unknown."""
    found, unseen = [], set()
    for version in {4, 6} - {subnet.pool.version for subnet in network.subnets}:
        ends = [end.ipv4 if version == 4 else end.ipv6 for end in endpoints]
        own = {address.ip for address in ends if address is not None}
        pools = _pools(elements, network.link, version)
        if pools:
            found.append(pools[0])
        elif own:
            unseen.add(version)
    return found, unseen


def _firewall_options(elements: Elements, link: str, *, internal: bool) -> dict[str, str]:
    options = {} if (link, link) in elements.get(sets.SAME_NETWORK, ()) else {NetworkSettings.icc.key: "false"}
    if internal:
        return options
    leaves = False
    for version in (4, 6):
        source = next((value for key, value in elements.get(sets.SOURCES[version], ()) if key == link), None)
        leaves |= source is not None or (link, version) in elements.get(sets.MASQUERADED, ())
        if source is not None:
            options[_SOURCES[version].key] = str(source)
        if (link, version) in elements.get(sets.UNPROTECTED, ()):
            options[_MODES[version].key] = UNPROTECTED
        if any(entry[:2] == (link, version) for entry in elements.get(sets.ROUTED_ICMP, ())):
            options[_MODES[version].key], leaves = ROUTED, True
    if not leaves:
        options[NetworkSettings.masquerade.key] = "false"
    trusted = [name for name, network in elements.get(sets.TRUSTED, ()) if network == link]
    return options | ({NetworkSettings.trusted.key: ":".join(trusted)} if trusted else {})
