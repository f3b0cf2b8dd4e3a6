"""Findings about other firewalls that drop traffic of pynet's networks."""

from collections.abc import Iterator

from plugin.doctor.facts import Crossing, Facts, HostFinding, Severity
from plugin.model.names import BRIDGE, BRIDGES

BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}
USERS_CHAIN = " DOCKER-USER"
_FIXES = {
    Crossing.OUT: f'accept iifname "{BRIDGES}" in it, before it drops',
    Crossing.IN: f'accept oifname "{BRIDGES}" in it, before it drops',
    Crossing.RELAY: "accept these ports in it, before it drops",
    Crossing.NEIGHBOURS: "accept icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } in it, before it drops",
    Crossing.TUNNEL: "accept the UDP port of the network (4789, if none was given) from the other hosts in it",
    Crossing.HOST: (
        f'nothing needs to be done, unless they use a service of the host: accept iifname "{BRIDGES}" in it then'
    ),
}


def legacy_firewall(facts: Facts) -> Iterator[HostFinding]:
    """Pynet writes nftables only, so it cannot put an accept in front of iptables-legacy."""
    for version in sorted(facts.legacy_drop):
        program = "iptables-legacy" if version == 4 else "ip6tables-legacy"
        what = f"the FORWARD chain of {program} has the policy DROP, which nftables cannot lift for pynet's networks"
        fix = f"run {program} -I DOCKER-USER -i {BRIDGE}+ -j ACCEPT and the same with -o, or change to iptables-nft"
        yield HostFinding("firewall", Severity.ERROR, what, fix)


def other_firewalls(facts: Facts) -> Iterator[HostFinding]:
    """A firewall that pynet knows is only worth a note; an unknown chain may drop traffic of pynet's networks."""
    for name in sorted(facts.firewalls):
        what = f"{name} is active; pynet keeps its own accept rule in its forward chain and puts it back after a reload"
        yield HostFinding("firewall", Severity.NOTE, what, "nothing needs to be done")
    for wall in facts.walls:
        if wall.crossing is Crossing.HOST and facts.firewalls:
            continue  # closing the host is what these are for
        fix = _FIXES[wall.crossing]
        if wall.chain.endswith(USERS_CHAIN):
            fix += "; its rules come before pynet's, and hold for pynet's networks as for Docker's"
        yield HostFinding(
            "firewall", _weight(wall.crossing), f"nftables chain '{wall.chain}' drops {wall.crossing}", fix
        )


def bridged_traffic(facts: Facts) -> Iterator[HostFinding]:
    """With br_netfilter, frames between two containers of one network pass the host's FORWARD chains."""
    on = [version for version, path in BRIDGED.items() if facts.settings.get(path) == "1"]
    bad = sorted(facts.legacy_drop.intersection(on))
    if bad:
        what = "br_netfilter sends what containers of one network say to each other through a FORWARD chain that drops"
        fix = "run sysctl -w " + " ".join(f"{BRIDGED[version].replace('/', '.')}=0" for version in bad)
        yield HostFinding("br_netfilter", Severity.ERROR, what, fix)


def _weight(crossing: Crossing) -> Severity:
    if crossing is Crossing.HOST:
        return Severity.NOTE
    return Severity.ERROR if crossing in (Crossing.NEIGHBOURS, Crossing.TUNNEL) else Severity.WARNING
