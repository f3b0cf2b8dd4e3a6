"""The facts that ``pynet path`` goes by, and the ends of a path in them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from plugin.doctor.detours import OUTSIDE
from plugin.errors import InvalidRequest, NotFound
from plugin.model.records import Endpoint, Network, Published
from plugin.policy.judge import FarGroups, nobody_far
from plugin.protocol.messages import Address, InterfaceAddress
from plugin.protocol.path_messages import EndKind, PathEnd, PathQuestion, Service

SHORT = 12  # digits of an id in texts, in whose place the command puts a name
NO_RULES: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Surroundings:
    """The records and the state of a host.

    ``addresses`` are the host's, by link. ``forwards`` has the IP versions that the host forwards, ``bridged`` those
    whose bridged frames pass the FORWARD chains (br_netfilter), ``legacy`` those whose FORWARD chain of iptables-legacy
    drops. ``listed`` is the ruleset of nftables, None where it cannot be listed. ``towards`` returns the link by which
    the host sends to an address, "" without a route. ``resolve`` returns the known addresses of a name in a policy, and
    ``resolvers`` are the servers that the engine asks for containers. ``far_groups`` returns the groups of
    containers of other hosts.
    """

    networks: Mapping[str, Network]
    endpoints: Sequence[Endpoint]
    addresses: Collection[tuple[str, InterfaceAddress]] = ()
    forwards: Collection[int] = (4, 6)
    bridged: Collection[int] = ()
    legacy: Collection[int] = ()
    listed: Sequence[Mapping[str, Any]] | None = NO_RULES
    towards: Callable[[Address], str] = field(default=lambda _: "eth0")
    resolve: Callable[[str], Collection[Address]] = field(default=lambda _: ())
    resolvers: Collection[Address] = ()
    far_groups: FarGroups = nobody_far

    def uplink(self, version: int) -> str:
        """Return the link that leads outside, "" without one."""
        return self.towards(OUTSIDE[version])

    @cached_property
    def by_address(self) -> Mapping[Address, Endpoint]:
        """The endpoints by their addresses, unless another host has those since a takeover."""
        owners = [end for end in self.endpoints if not end.taken]
        return {own.ip: end for end in owners for own in (end.ipv4, end.ipv6) if own is not None}

    @cached_property
    def own(self) -> Mapping[Address, str]:
        """The links of the host by its addresses."""
        return {address.ip: link for link, address in self.addresses}

    def published(self) -> Iterable[tuple[Endpoint, Published]]:
        """Return the published ports, each with its endpoint."""
        return ((end, port) for end in self.endpoints if not end.taken for port in end.published)


@dataclass(frozen=True, slots=True)
class Spot:
    """An end of a path in one IP version.

    A container of this host has an endpoint. Without one, a ``network`` is that of an address which another host may
    have, or nobody. ``address`` is None for any machine outside.
    """

    kind: EndKind
    address: Address | None = None
    endpoint: Endpoint | None = None
    network: Network | None = None

    @property
    def words(self) -> str:
        """The end as a noun; ids are short and in quotes."""
        at = f" ({self.address})" if self.address else ""
        if self.endpoint is not None:
            return f"endpoint '{self.endpoint.id[:SHORT]}'{at}"
        if self.kind is EndKind.HOST:
            return f"the host{at}"
        return str(self.address) if self.address else "a machine outside"

    @property
    def on(self) -> str:
        """Its network as a noun."""
        return f"network '{self.network.id[:SHORT]}'" if self.network else "no network of pynet's"


@dataclass(frozen=True, slots=True)
class Journey:
    """The first packet of a new connection: ``published`` is the port by which it was translated, if it was."""

    source: Spot
    target: Spot
    service: Service
    version: int
    published: Published | None = None
    host: Address | None = None  # the address of the host before the translation

    @property
    def on_link(self) -> bool:
        """Whether it stays in one network, without the host in between."""
        here, there = self.source.network, self.target.network
        return here is not None and here is there and self.published is None


def journey(question: PathQuestion, facts: Surroundings) -> Journey:
    """Return the packet that a question is about.

    Raises:
        NotFound: a container is on no network of pynet's.
        InvalidRequest: the ends have no common IP version.
    """
    named = [end.address.version for end in (question.source, question.target) if end.address is not None]
    wanted = set(named) | ({question.version} if question.version else set())
    if len(wanted) > 1:
        raise InvalidRequest("the two ends are of different IP versions, and no packet can have both")
    for version in wanted or {4, 6}:
        sources = _spots(question.source, facts, version)
        targets = _spots(question.target, facts, version)
        if sources and targets:
            source, target = _pair(sources, targets)
            return Journey(source, _host_from(source, target, facts, version), question.service, version)
    words = " or ".join(f"IPv{version}" for version in sorted(wanted or {4, 6}))
    raise InvalidRequest(f"one of the two ends has no {words} address")


def _pair(sources: Sequence[Spot], targets: Sequence[Spot]) -> tuple[Spot, Spot]:
    """Return two ends on one network if there are, else a source with a way out."""
    for source in sources:
        for target in targets:
            if source.network is not None and source.network is target.network:
                return source, target
    leading = [spot for spot in sources if spot.network is None or spot.network.leads_out]
    return (leading or sources)[0], targets[0]


def _spots(end: PathEnd, facts: Surroundings, version: int) -> Sequence[Spot]:
    if end.kind is EndKind.CONTAINER:
        own = [each for each in facts.endpoints if each.id in end.endpoints]
        if not own:
            raise NotFound("this container has no endpoint on a network of pynet's")
        spots = [_of_endpoint(each, facts, version) for each in own]
        return [spot for spot in spots if spot is not None]
    if end.address is not None:
        return [spot_of(end.address, facts)]
    if end.kind is EndKind.HOST:
        return [Spot(EndKind.HOST)]
    return [Spot(EndKind.OUTSIDE)]


def spot_of(address: Address, facts: Surroundings) -> Spot:
    """Return the end that has an address."""
    endpoint = facts.by_address.get(address)
    if endpoint is not None:
        return Spot(EndKind.CONTAINER, address, endpoint, facts.networks.get(endpoint.network_id))
    if address in facts.own or address.is_loopback:
        return Spot(EndKind.HOST, address)
    for network in facts.networks.values():
        if any(subnet.pool.version == address.version and address in subnet.pool for subnet in network.subnets):
            return Spot(EndKind.ADDRESS, address, None, network)
    return Spot(EndKind.OUTSIDE, address)


def _of_endpoint(endpoint: Endpoint, facts: Surroundings, version: int) -> Spot | None:
    own = endpoint.ipv4 if version == 4 else endpoint.ipv6
    network = facts.networks.get(endpoint.network_id)
    if own is None or network is None:
        return None
    return Spot(EndKind.CONTAINER, own.ip, endpoint, network)


def _host_from(source: Spot, target: Spot, facts: Surroundings, version: int) -> Spot:
    """Give the host the address at which ``source`` would look for it: the gateway, or one of its own elsewhere."""
    if target.kind is not EndKind.HOST or target.address is not None:
        return target
    if source.network is not None:
        gateways = [gateway.ip for gateway in source.network.gateway_addresses if gateway.version == version]
        if gateways:
            return Spot(EndKind.HOST, gateways[0])
        on_lan = [ip for ip, link in facts.own.items() if link == source.network.link and ip.version == version]
        near = [ip for ip in on_lan if not ip.is_link_local and not source.network.host_gateway]
        if near:
            return Spot(EndKind.HOST, near[0])
    bridges = {network.link for network in facts.networks.values()}
    others = [
        ip
        for ip, link in facts.own.items()
        if ip.version == version and link not in bridges and not ip.is_loopback and not ip.is_link_local
    ]
    return Spot(EndKind.HOST, others[0] if others else None)
