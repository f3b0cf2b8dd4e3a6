"""Findings about other firewalls that drop traffic of pynet's networks."""

from collections.abc import Iterator

from plugin.doctor.facts import Crossing, Facts, HostFinding, Severity
from plugin.model.names import BRIDGE, BRIDGES

BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}
USERS_CHAIN = " DOCKER-USER"
_CURES = {
    Crossing.OUT: "let what pynet's links send pass it",
    Crossing.IN: "let what goes to pynet's links pass it",
    Crossing.RELAY: "accept these ports in it, before it drops",
    Crossing.NEIGHBOURS: "accept neighbour discovery in it",
    Crossing.TUNNEL: "accept the UDP port of the network (4789, if none was given) from the other hosts in it",
}
_MATCHES = {
    Crossing.OUT: f'iifname "{BRIDGES}"',
    Crossing.IN: f'oifname "{BRIDGES}"',
    Crossing.NEIGHBOURS: "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }",
    Crossing.TUNNEL: "udp dport 4789",
}


def legacy_firewall(facts: Facts) -> Iterator[HostFinding]:
    """Pynet writes nftables only, so it cannot put an accept in front of iptables-legacy."""
    for version in sorted(facts.legacy_drop):
        program = "iptables-legacy" if version == 4 else "ip6tables-legacy"
        cause = f"the FORWARD chain of {program} has the policy DROP, which nftables cannot lift for pynet's networks"
        commands = tuple(f"{program} -I FORWARD {way} {BRIDGE}+ -j ACCEPT" for way in ("-i", "-o"))
        yield HostFinding(Severity.ERROR, cause, "accept pynet's links in it, or change to iptables-nft", commands)


def other_firewalls(facts: Facts) -> Iterator[HostFinding]:
    """An unknown chain may drop traffic of pynet's networks; firewalls that pynet knows get an accept from it."""
    for wall in facts.walls:
        cure, match = _CURES[wall.crossing], _MATCHES.get(wall.crossing)
        if wall.chain.endswith(USERS_CHAIN):
            cure += "; its rules come before pynet's, and hold for pynet's networks as for Docker's"
        commands = (f"nft 'insert rule {wall.chain} {match} accept'",) if match else ()
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


def _weight(crossing: Crossing) -> Severity:
    return Severity.ERROR if crossing in (Crossing.NEIGHBOURS, Crossing.TUNNEL) else Severity.WARNING
