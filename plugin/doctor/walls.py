"""Chains of other firewalls that drop what pynet's networks need to pass.

A chain in which pynet keeps its accepts (``plugin.firewall.docker.CHAINS``) is read up to what they let pass.
Where they are missing, as before the first network, only what comes before them counts: the chain DOCKER-USER.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plugin.doctor.facts import Crossing, Wall
from plugin.doctor.packet import Packet, Value
from plugin.doctor.rules import Base, End, Ruleset
from plugin.firewall.docker import CHAINS
from plugin.ipam.allocator import usable
from plugin.model.names import bridge_name
from plugin.model.records import Endpoint, Network, Published
from plugin.protocol.messages import Address

USERS = "DOCKER-USER"
FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
HTTPS, ANY_PORT = 443, 50000
EXAMPLE = Network("0" * 64, "bridge", bridge_name("0" * 64))  # what a first network would be
_IP = {4: "ip", 6: "ip6"}
_PROTOCOLS = {6: "tcp", 17: "udp"}


@dataclass(frozen=True, slots=True)
class Way:
    """A packet of a network, and where it passes."""

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
    """Return the chains that drop; ``uplinks`` are the links of the host's default routes, by IP version."""
    ruleset = Ruleset(listed)
    bases = [base for base in ruleset.bases if not _is_passed_over(base)]
    ends = list(endpoints)
    ways = [way for network in list(networks) or [EXAMPLE] for way in _ways(network, ends, uplinks)] if bases else []
    found: dict[Wall, None] = {}
    for base in bases:
        for way in ways:
            if base.hook == way.hook and base.place[0] in FAMILIES[way.version]:
                found |= dict.fromkeys(_wall(ruleset, base, way))
    return tuple(found)


def _wall(ruleset: Ruleset, base: Base, way: Way) -> Iterator[Wall]:
    end, place = ruleset.outcome(base, way.packet)
    if end is not End.DROPPED:
        return
    kept = " ".join(base.place) in map(str, CHAINS)
    if not kept or _has_accepts(ruleset, base) or place[2] == USERS:
        yield Wall(" ".join(place), way.crossing)


def _has_accepts(ruleset: Ruleset, base: Base) -> bool:
    return any(str(rule.get("comment", "")).startswith("pynet") for rule in ruleset.rules[base.place])


def _is_passed_over(base: Base) -> bool:
    """Say whether a chain is pynet's, or one of the engine's own tables."""
    return base.place[1].startswith(("pynet", "docker"))


def _ways(network: Network, endpoints: Iterable[Endpoint], uplinks: Mapping[int, str]) -> Iterator[Way]:
    own = [end for end in endpoints if end.network_id == network.id]
    for version in network.families or ([4] if network is EXAMPLE else []):
        uplink, inside = uplinks.get(version, ""), _from(network, own, version)
        if not network.internal:
            known = _named("oif", uplink) | inside | _of(version, "tcp", HTTPS)
            yield Way(Crossing.OUT, "forward", version, Packet(known))
        if network.on_host and network is not EXAMPLE:
            yield Way(Crossing.HOST, "input", version, Packet(inside | _of(version, "tcp", ANY_PORT)))
        if network.on_host and version == 6:
            yield Way(Crossing.NEIGHBOURS, "input", version, Packet(_named("iif", network.link) | SOLICITATION))
    for port in (port for end in own for port in end.published if port.proto in _PROTOCOLS):
        yield from _inwards(network.link, port, uplinks)
    if network.overlay is not None:
        for version in FAMILIES:
            yield Way(Crossing.TUNNEL, "input", version, Packet(_of(version, "udp", network.overlay.port)))


def _inwards(link: str, port: Published, uplinks: Mapping[int, str]) -> Iterator[Way]:
    """Yield the way of a published port: translated, or through a socket of the host's."""
    if port.host is None:
        return
    version = port.host.version
    known = _named("iif", uplinks.get(version, ""))
    if version == port.target.version:
        known |= _of(version, _PROTOCOLS[port.proto], port.port) | _named("oif", link) | {"ct status": "dnat"}
        known[f"{_IP[version]} daddr"] = str(port.target)
        yield Way(Crossing.IN, "forward", version, Packet(known))
    else:
        known |= _of(version, _PROTOCOLS[port.proto], port.host_port)
        yield Way(Crossing.RELAY, "input", version, Packet(known))


def _from(network: Network, endpoints: Iterable[Endpoint], version: int) -> dict[str, Value]:
    """Return what is known of packets of the network's containers."""
    address = a_container(network, endpoints, version)
    return _named("iif", network.link) | ({f"{_IP[version]} saddr": str(address)} if address else {})


def a_container(network: Network, endpoints: Iterable[Endpoint], version: int) -> Address | None:
    """Return the address of a container of the network, there or not; None without a subnet of that IP version."""
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


def _named(side: str, link: str) -> dict[str, Value]:
    return {f"meta {side}name": link, f"meta {side}": link} if link else {}


def _of(version: int, protocol: str, port: int) -> dict[str, Value]:
    """Return what is known of the first packet of a connection."""
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
