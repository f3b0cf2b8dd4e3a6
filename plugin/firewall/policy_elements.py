"""Elements of the sets of policies (``plugin.firewall.policy_rules``)."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import pairwise
from typing import Any

from netlink.nft_elements import Element, NamedSet
from plugin.firewall import sets
from plugin.model.elements import Elements
from plugin.model.names import host_link_name
from plugin.model.policy import Policy
from plugin.model.records import Endpoint, Network, Published
from plugin.options.policy import ANY, ICMP, TCP, UDP, Entries, Entry, Group, Ports
from plugin.options.tunnel import is_routed
from plugin.protocol.messages import Address, Subnet

_NUMBERS = {TCP: 6, UDP: 17}  # IANA's, as the next
_ICMP = {4: 1, 6: 58}
_ALL_PORTS = Ports(0, 65535)  # of a protocol without ports, nft reads other bytes there
_EVERYTHING: Sequence["Service"] = (((0, 255), (0, 65535)),)
_EVERYBODY: Mapping[int, Subnet] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}
_ADDRESS: Mapping[int, type[Address]] = {4: IPv4Address, 6: IPv6Address}
_LINK_LOCAL = 0xFE80 << 112, (0xFEC0 << 112) - 1  # fe80::/10
_DNS = (Entry(UDP, Ports(53, 53)), Entry(TCP, Ports(53, 53)))

Service = tuple[tuple[int, int], tuple[int, int]]  # first and last protocol, first and last port
Box = tuple[Address, Address, Service]
Lists = Mapping[int, Sequence[NamedSet]]
_NAMED: Lists = {version: (of,) for version, of in sets.ALLOW_NAMES.items()}
NameElements = Callable[[Endpoint, Entries, Mapping[str, Iterable[Address]], Iterable[Address]], Elements]
FEW = 32  # what one container is allowed in one direction; more is a long list (``plugin.firewall.sets``)


def policy_elements(network: Network, endpoint: Endpoint, policy: Policy, own: Sequence[Address]) -> Iterator[Element]:
    """Yield the elements of an endpoint with the addresses ``own``, without those of names."""
    addresses = [address for address in own if not address.is_link_local]
    if is_routed(network.options):
        yield from _between_hosts(addresses, policy)
    yield from frame_elements(network, endpoint, policy, {address.version for address in own})
    if policy.allow_out is not None:
        yield from (sets.EGRESS[address.version].element(network.link, address) for address in own)
        yield from _routed(sets.ALLOW_OUT, own, policy.allow_out)
    if policy.allow_from is not None:
        yield from (sets.FROM[address.version].element(address) for address in addresses)
        yield from _routed(sets.ALLOW_FROM, addresses, policy.allow_from)
    if policy.publish_from is not None:
        yield from (sets.PUBLISH_FROM[address.version].element(address) for address in addresses)
        yield from _routed(sets.ALLOW_PUBLISH, addresses, policy.publish_from)


def frame_elements(network: Network, endpoint: Endpoint, policy: Policy, versions: Iterable[int]) -> Iterator[Element]:
    """Yield the elements that judge frames at the port of an endpoint, in these IP versions."""
    port, known = host_link_name(endpoint.id), sorted(versions)
    for slot, name in zip(sets.GROUPS, policy.groups, strict=False):
        yield slot.element(port, Group(name).number)
    if network.policy_changed or endpoint.policy_changed or (network.overlay and _names_groups(policy)):
        yield sets.CHANGED_PORTS.element(port)
    if policy.allow_out is not None:
        yield sets.EGRESS_PORTS.element(port)
        yield from _of_port(port, policy.allow_out, sets.PORT_OUT, sets.OUT_GROUPS, known)
    if policy.allow_from is not None:
        yield sets.FROM_PORTS.element(port)
        yield from _of_port(port, policy.allow_from, sets.PORT_FROM, sets.FROM_GROUPS, known)


def far_group_elements(tunnel: str, groups: Mapping[Address, Sequence[str]], bridge: str = "") -> Elements:
    """Return the elements for containers of other hosts behind ``tunnel``: their addresses and groups.

    With ``bridge`` its network is routed between hosts.
    """
    places = [(tunnel, sets.FAR_GROUPS), *([(bridge, sets.DIRECT_GROUPS)] if bridge else [])]
    return tuple(
        slots[address.version].element(link, address, Group(name).number)
        for address, names in groups.items()
        for link, known in places
        for slots, name in zip(known, names, strict=False)
    )


def name_elements(
    endpoint: Endpoint, allowed: Entries, known: Mapping[str, Iterable[Address]], resolvers: Iterable[Address]
) -> Elements:
    """Return the elements that let ``endpoint`` connect to ``known`` addresses of names in ``allowed``.

    With any name in ``allowed`` it may also ask ``resolvers``. The elements belong to an owner of their own, as
    addresses of names come and go.
    """
    entries = _named_entries(allowed, known, resolvers)
    addresses = [own.ip for own in (endpoint.ipv4, endpoint.ipv6) if own]
    return tuple(_routed(_NAMED, addresses, Entries(tuple(entries))))


def port_name_elements(
    endpoint: Endpoint, allowed: Entries, known: Mapping[str, Iterable[Address]], resolvers: Iterable[Address]
) -> Elements:
    """Return the same for the port of ``endpoint``, where a user's LAN is behind the bridge."""
    entries, port = Entries(tuple(_named_entries(allowed, known, resolvers))), host_link_name(endpoint.id)
    return tuple(
        of.element(port, (first, last), *service)
        for version, of in sets.PORT_NAMES.items()
        for first, last, service in _disjoint(entries, version)
    )


def _named_entries(
    allowed: Entries, known: Mapping[str, Iterable[Address]], resolvers: Iterable[Address]
) -> Iterator[Entry]:
    """Yield entries with addresses in the place of names, and for DNS; none if there are no names."""
    wanted = [(entry, address) for entry in allowed for address in known.get(getattr(entry.peer, "name", ""), ())]
    if allowed.host_names:
        wanted += [(entry, server) for entry in _DNS for server in resolvers]
        yield from (Entry(entry.protocol, entry.ports, _subnet(address)) for entry, address in wanted)


def relay_elements(policy: Policy, published: Iterable[Published]) -> Iterator[Element]:
    """Yield the elements of the ports among ``published`` that pynet relays; clients on the host need none."""
    if policy.publish_from is None:
        return
    names = {number: name for name, number in _NUMBERS.items()}
    for port in published:
        if port.host is None or port.host.version == 4 or not (port.target.version == 4 or port.host.is_unspecified):
            continue
        host: Any = _EVERYBODY[6] if port.host.is_unspecified else port.host
        yield sets.RULED_RELAYS.element(host, port.proto, port.host_port)
        entries = [e for e in policy.publish_from if e.matches(names.get(port.proto, ANY), port.port)]
        for first, last, _ in _disjoint([Entry(peer=entry.peer) for entry in entries], 6):
            yield sets.ALLOW_RELAYS.element(host, (first, last), port.proto, port.host_port)


def _of_port(port: str, allowed: Entries, lists: Lists, groups: NamedSet, versions: Iterable[int]) -> Iterator[Element]:
    """Yield what a port of a bridge is allowed, in these IP versions."""
    for version in versions:
        yield from _listed(lists, version, port, list(_disjoint(allowed, version)))
    for number, entries in _of_groups(allowed):
        for service in _services(entries, (4, 6)):
            yield groups.element(port, number, *service)


def _of_groups(allowed: Entries) -> Iterable[tuple[int, list[Entry]]]:
    """Return the entries of groups, by the number of each group."""
    found: dict[int, list[Entry]] = defaultdict(list)
    for entry in allowed:
        if isinstance(entry.peer, Group):
            found[entry.peer.number].append(entry)
    return found.items()


def _between_hosts(addresses: Sequence[Address], policy: Policy) -> Iterator[Element]:
    """Yield what a container with ``addresses`` is allowed by groups of containers of other hosts."""
    for allowed, lists in ((policy.allow_out, sets.DIRECT_OUT), (policy.allow_from, sets.DIRECT_FROM)):
        for number, entries in _of_groups(allowed) if allowed is not None else ():
            for address in addresses:
                for service in _services(entries, (address.version,)):
                    yield lists[address.version].element(address, number, *service)


def _routed(lists: Lists, own: Sequence[Address], allowed: Entries) -> Iterator[Element]:
    """Yield what addresses are allowed; a link-local one reaches only others of its kind."""
    for version in sorted({address.version for address in own}):
        boxes = list(_disjoint(allowed, version))
        local = [box for box in boxes if int(box[0]) <= _LINK_LOCAL[1] and int(box[1]) >= _LINK_LOCAL[0]]
        for address in own:
            if address.version == version:
                yield from _listed(lists, version, address, local if address.is_link_local else boxes)


def _listed(lists: Lists, version: int, own: object, boxes: Sequence[Box]) -> Iterator[Element]:
    few, *many = lists[version]
    for first, last, service in boxes:
        peer = (first, last)
        yield many[0].element(peer, own, *service) if many and len(boxes) > FEW else few.element(own, peer, *service)


def _disjoint(entries: Iterable[Entry], version: int) -> Iterator[Box]:
    """Yield what entries of addresses and of everybody allow, cut so that nothing overlaps.

    The kernel refuses an element that overlaps another one (nft_pipapo_insert).
    """
    edges: dict[int, list[tuple[Entry, int]]] = defaultdict(list)
    for entry in entries:
        subnet = _EVERYBODY[version] if entry.peer is None else entry.peer
        if isinstance(subnet, IPv4Network | IPv6Network) and subnet.version == version:
            edges[int(subnet.network_address)].append((entry, 1))
            edges[int(subnet.broadcast_address) + 1].append((entry, -1))
    active: Counter[Entry] = Counter()
    pieces: list[tuple[int, int, tuple[Service, ...]]] = []
    for start, end in pairwise(sorted(edges)):
        for entry, change in edges[start]:
            active[entry] += change
        services = tuple(_services(+active, (version,)))
        joins = bool(pieces) and pieces[-1][1:] == (start, services)
        pieces.append((pieces.pop()[0] if joins else start, end, services))
    make = _ADDRESS[version]
    for first, end, services in pieces:
        for service in services:
            yield make(first), make(end - 1), service


def _services(entries: Iterable[Entry], versions: Sequence[int]) -> Iterator[Service]:
    """Yield the protocols and ports of entries, so that nothing overlaps."""
    ports: dict[int, list[Ports]] = defaultdict(list)
    for entry in entries:
        if entry.protocol == ANY:
            yield from _EVERYTHING
            return
        numbers = [_ICMP[version] for version in versions] if entry.protocol == ICMP else [_NUMBERS[entry.protocol]]
        for number in numbers:
            ports[number].append(entry.ports or _ALL_PORTS)
    for number in sorted(ports):
        yield from (((number, number), span) for span in _joined(ports[number]))


def _joined(ports: Iterable[Ports]) -> Iterator[tuple[int, int]]:
    """Yield the same ports in ascending ranges that do not touch."""
    first, last = None, 0
    for span in sorted(ports, key=lambda span: span.first):
        if first is None:
            first, last = span.first, span.last
        elif span.first <= last + 1:
            last = max(last, span.last)
        else:
            yield first, last
            first, last = span.first, span.last
    if first is not None:
        yield first, last


def _names_groups(policy: Policy) -> bool:
    """Return whether a container of another host may leave a group that a policy names."""
    return any(isinstance(entry.peer, Group) for each in (policy.allow_from, policy.allow_out) for entry in each or ())


def _subnet(address: Address) -> Subnet:
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)
