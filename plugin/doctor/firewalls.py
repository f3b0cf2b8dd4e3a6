"""Findings about other firewalls that drop traffic of pynet's networks."""

from collections.abc import Iterator, Sequence

from plugin.doctor.facts import Crossing, Facts, HostFinding, Severity, Wall
from plugin.firewall.foreign_chains import QUESTIONS, condition_text
from plugin.model.names import BRIDGE, BRIDGES
from plugin.model.resolver_place import PORT, PROTOCOLS, RESOLVER

BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}
USERS_CHAIN = " DOCKER-USER"
_CURES = {
    Crossing.OUT: "let what pynet's links send pass it",
    Crossing.IN: "let what goes to pynet's links pass it",
    Crossing.RELAY: "accept these ports in it, before it drops",
    Crossing.NEIGHBOURS: "accept neighbour discovery in it",
    Crossing.TUNNEL: "accept the UDP port of the network (4789, if none was given) from the other hosts in it",
    Crossing.QUESTIONS: "accept what goes to pynet's resolver in it; pynet's rules keep others from it",
    Crossing.DIRECT: "let what goes to pynet's links, and what they send, pass it",
}
_MATCHES = {
    Crossing.OUT: f'iifname "{BRIDGES}"',
    Crossing.IN: f'oifname "{BRIDGES}"',
    Crossing.NEIGHBOURS: "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }",
    Crossing.TUNNEL: "udp dport 4789",
}


_VERSIONS = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}  # of a family of tables
_LEGACY = {4: "iptables-legacy", 6: "ip6tables-legacy"}


def legacy_firewall(facts: Facts) -> Iterator[HostFinding]:
    """Pynet writes nftables only, so it cannot put an accept in front of iptables-legacy."""
    for version in sorted(facts.legacy_mute):
        program = _LEGACY[version]
        cause = f"the INPUT chain of {program} has the policy DROP, so that containers cannot ask pynet's resolver"
        place = f"-d {RESOLVER[version]} --dport {PORT}"
        commands = tuple(f"{program} -I INPUT -p {proto} {place} -j ACCEPT" for proto in PROTOCOLS)
        yield HostFinding(Severity.WARNING, cause, "accept what goes to it; pynet keeps others from it", commands)
    for version in sorted(facts.legacy_drop):
        program = _LEGACY[version]
        cause = f"the FORWARD chain of {program} has the policy DROP, which nftables cannot lift for pynet's networks"
        commands = tuple(f"{program} -I FORWARD {way} {BRIDGE}+ -j ACCEPT" for way in ("-i", "-o"))
        yield HostFinding(Severity.ERROR, cause, "accept pynet's links in it, or change to iptables-nft", commands)


def other_firewalls(facts: Facts) -> Iterator[HostFinding]:
    """An unknown chain may drop traffic of pynet's networks; firewalls that pynet knows get an accept from it."""
    for wall in facts.walls:
        cure = _CURES[wall.crossing]
        if wall.chain.endswith(USERS_CHAIN):
            cure += "; its rules come before pynet's, and hold for pynet's networks as for Docker's"
        commands = tuple(f"nft 'insert rule {wall.chain} {match} accept'" for match in _matches(wall))
        cause = f"nftables chain '{wall.chain}' drops {wall.crossing}"
        yield HostFinding(_weight(wall.crossing), cause, cure, commands)


def bridged_traffic(facts: Facts) -> Iterator[HostFinding]:
    """With br_netfilter, frames between two containers of one network pass the host's FORWARD chains."""
    on = [version for version, path in BRIDGED.items() if facts.settings.get(path) == "1"]
    bad = sorted(facts.legacy_drop.intersection(on))
    if bad:
        cause = "br_netfilter sends what containers of one network say to each other through a FORWARD chain that drops"
        commands = tuple(f"sysctl -w {BRIDGED[version].replace('/', '.')}=0" for version in bad)
        yield HostFinding(Severity.ERROR, cause, "keep bridged traffic off these chains", commands)


_ESSENTIAL = (Crossing.NEIGHBOURS, Crossing.TUNNEL, Crossing.DIRECT)


def _matches(wall: Wall) -> Sequence[str]:
    """Return the conditions of the rules that let the traffic pass."""
    if wall.crossing is Crossing.QUESTIONS:
        versions = _VERSIONS.get(wall.chain.partition(" ")[0], ())
        return [condition_text(one) for version in versions for one in QUESTIONS[version]]
    if wall.crossing is Crossing.DIRECT:
        return [_MATCHES[Crossing.OUT], _MATCHES[Crossing.IN]]
    return [match] if (match := _MATCHES.get(wall.crossing)) else []


def _weight(crossing: Crossing) -> Severity:
    return Severity.ERROR if crossing in _ESSENTIAL else Severity.WARNING
