"""Finds chains of other firewalls that drop traffic which pynet's networks need.

In a chain that holds pynet's accepts (``plugin.firewall.foreign_chains``), only the rules before them count. Where the
accepts are missing, as before the first network, only the chain DOCKER-USER counts: they will be behind it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from plugin.doctor.facts import Crossing, Wall
from plugin.doctor.packet import Packet, Value
from plugin.doctor.rules import Base, End, Ruleset
from plugin.errors import InvalidRequest
from plugin.firewall.elements import resolver_versions
from plugin.firewall.foreign_chains import CHAINS
from plugin.ipam.allocator import usable
from plugin.model.names import bridge_name
from plugin.model.records import Endpoint, Network, Overlay, Published
from plugin.model.resolver_place import PORT, RESOLVER
from plugin.options.network import NetworkSettings
from plugin.options.tunnel import uses_routes, uses_tunnel
from plugin.protocol.messages import Address

USERS = "DOCKER-USER"
FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
HTTPS = 443
EXAMPLE = Network("0" * 64, NetworkSettings.mode.default, bridge_name("0" * 64))  # how a first network would look
_IP = {4: "ip", 6: "ip6"}
_PROTOCOLS = {6: "tcp", 17: "udp"}


@dataclass(frozen=True, slots=True)
class Passage:
    """A packet that a network needs, and the hook that it passes."""

    crossing: Crossing
    hook: str
    version: int
    packet: Packet


def walls(
    listed: Iterable[Mapping[str, Any]],
    networks: Iterable[Network],
    endpoints: Iterable[Endpoint],
    uplinks: Mapping[int, str],
) -> tuple[Wall, ...]:
    """Return the chains that drop needed traffic; ``uplinks`` are the links of the default routes, by IP version."""
    ruleset = Ruleset(listed)
    bases = [base for base in ruleset.bases if not _is_passed_over(base)]
    ends = list(endpoints)
    passages = (
        [passage for network in list(networks) or [EXAMPLE] for passage in _passages(network, ends, uplinks)]
        if bases
        else []
    )
    found: dict[Wall, None] = {}
    for base in bases:
        for passage in passages:
            if base.hook == passage.hook and base.chain[0] in FAMILIES[passage.version]:
                found |= dict.fromkeys(_wall(ruleset, base, passage))
    return tuple(found)


def _wall(ruleset: Ruleset, base: Base, passage: Passage) -> Iterator[Wall]:
    end, chain = ruleset.outcome(base, passage.packet)
    if end is not End.DROPPED:
        return
    if not _holds_accepts(base, passage.crossing) or _has_accepts(ruleset, base) or chain[2] == USERS:
        yield Wall(" ".join(chain), passage.crossing)


def _holds_accepts(base: Base, crossing: Crossing) -> bool:
    """Return whether pynet puts accepts for such packets into a chain."""
    known = next((chain for chain in CHAINS if str(chain) == " ".join(base.chain)), None)
    return known is not None and (not known.asked or crossing is Crossing.QUESTIONS)


def _has_accepts(ruleset: Ruleset, base: Base) -> bool:
    return any(str(rule.get("comment", "")).startswith("pynet") for rule in ruleset.rules[base.chain])


def _is_passed_over(base: Base) -> bool:
    return base.chain[1].startswith(("pynet", "docker"))


def _passages(network: Network, endpoints: Iterable[Endpoint], uplinks: Mapping[int, str]) -> Iterator[Passage]:
    if not network.host_gateway:
        return  # no packet of its containers is routed by this host
    own = [end for end in endpoints if end.network_id == network.id]
    for version in network.families or ([4] if network is EXAMPLE else []):
        uplink, inside = uplinks.get(version, ""), _from(network, own, version)
        if not network.internal and network.host_gateway:
            known = _named("oif", uplink) | inside | _of(version, "tcp", HTTPS)
            yield Passage(Crossing.OUT, "forward", version, Packet(known))
        if network.on_host and version == 6:
            yield Passage(Crossing.NEIGHBOURS, "input", version, Packet(_named("iif", network.link) | SOLICITATION))
    with suppress(InvalidRequest):
        for version in resolver_versions(network):
            question = _question(network.link, version) | _from(network, own, version)
            yield Passage(Crossing.QUESTIONS, "input", version, Packet(question))
    for port in (port for end in own for port in end.published if port.proto in _PROTOCOLS):
        yield from _inwards(network.link, port, uplinks)
    if network.overlay is not None:
        yield from _between_hosts(network, own, network.overlay)


def _between_hosts(network: Network, own: Sequence[Endpoint], overlay: Overlay) -> Iterator[Passage]:
    """Yield the passages between hosts: in a tunnel, or routed both ways by a link that is not known here."""
    for version in FAMILIES if uses_tunnel(overlay.tunnel) else ():
        yield Passage(Crossing.TUNNEL, "input", version, Packet(_of(version, "udp", overlay.port)))
    for version in network.families if uses_routes(overlay.tunnel) else ():
        for known in (_from(network, own, version), _named("oif", network.link)):
            yield Passage(Crossing.DIRECT, "forward", version, Packet(known | _of(version, "tcp", HTTPS)))


def _inwards(link: str, port: Published, uplinks: Mapping[int, str]) -> Iterator[Passage]:
    """Yield the passage of a published port: translated, or through a relaying socket of the host."""
    if port.host is None:
        return
    version = port.host.version
    known = _named("iif", uplinks.get(version, ""))
    if version == port.target.version:
        known |= _of(version, _PROTOCOLS[port.proto], port.port) | _named("oif", link) | {"ct status": "dnat"}
        known[f"{_IP[version]} daddr"] = str(port.target)
        yield Passage(Crossing.IN, "forward", version, Packet(known))
    else:
        known |= _of(version, _PROTOCOLS[port.proto], port.host_port)
        yield Passage(Crossing.RELAY, "input", version, Packet(known))


def _from(network: Network, endpoints: Iterable[Endpoint], version: int) -> dict[str, Value]:
    address = a_container(network, endpoints, version)
    return _named("iif", network.link) | ({f"{_IP[version]} saddr": str(address)} if address else {})


def a_container(network: Network, endpoints: Iterable[Endpoint], version: int) -> Address | None:
    """Return the address of a container, existing or possible; None without a subnet of that IP version."""
    for end in endpoints:
        address = end.ipv4 if version == 4 else end.ipv6
        if address is not None:
            return address.ip
    subnet = next((subnet for subnet in network.subnets if subnet.pool.version == version), None)
    if subnet is None:
        return None
    first, last = usable(subnet.pool)
    gateway = int(subnet.gateway.ip) if subnet.gateway else 0
    return type(subnet.pool.network_address)(last if last != gateway else first)


def _question(link: str, version: int) -> dict[str, Value]:
    """Return the known fields of a question to the resolver, which pynet's rules have led to its place."""
    place: dict[str, Value] = {f"{_IP[version]} daddr": str(RESOLVER[version]), "ct status": "dnat"}
    return _named("iif", link) | _of(version, "udp", PORT) | place


def _named(side: str, link: str) -> dict[str, Value]:
    return {f"meta {side}name": link, f"meta {side}": link} if link else {}


def _of(version: int, protocol: str, port: int) -> dict[str, Value]:
    """Return the known fields of the first packet of a connection."""
    ports: dict[str, Value] = {f"{protocol} dport": port, "th dport": port}
    return _layers(version, protocol) | ports | {"ct state": "new"}


def _layers(version: int, protocol: str) -> dict[str, Value]:
    return {
        "meta nfproto": f"ipv{version}",
        "meta protocol": _IP[version],
        "meta l4proto": protocol,
        f"{_IP[version]} {'protocol' if version == 4 else 'nexthdr'}": protocol,
        "ct status": "none",
    }


SOLICITATION = _layers(6, "ipv6-icmp") | {"icmpv6 type": "nd-neighbor-solicit", "ct state": "untracked"}
