"""What is wrong with a host, from facts alone: one small function a question, each finding with its cure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from plugin.doctor.facts import Facts, Listener
from plugin.ipam.supernets import Supernet
from plugin.messages import Subnet

MOST_PORTS = 1023  # of a bridge: BR_MAX_PORTS is 1 << 10, and port 0 is none (net/bridge/br_private.h)
MANY_PORTS = 920
LITTLE_SPACE = 64 << 20  # bytes
OLDEST_ENGINE = (20, 10, 0)
CRASHING_ENGINES = ((29, 0, 0), (29, 0, 2))  # Revoke unlocks what is not locked; mended in 29.0.3 (moby ed10b98506)
FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}
BRIDGED = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}


class Severity(StrEnum):
    """An error keeps something from working, a warning may, a note is only good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and what to do about it in one sentence."""

    check: str
    severity: Severity
    what: str
    fix: str


Check = Callable[[Facts], Iterator[Finding]]


def examine(facts: Facts) -> list[Finding]:
    """Return what is wrong, the worst first."""
    found = [finding for check in CHECKS for finding in check(facts)]
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))


def exit_code(findings: list[Finding]) -> int:
    """Return 2 when there is an error, 1 when there is a warning, else 0."""
    found = {finding.severity for finding in findings}
    return 2 if Severity.ERROR in found else int(Severity.WARNING in found)


def capabilities(facts: Facts) -> Iterator[Finding]:
    """Root in a container may lack what root on a host has."""
    if facts.missing_capabilities:
        names = " and ".join(facts.missing_capabilities)
        yield Finding(
            "capabilities",
            Severity.ERROR,
            f"this process lacks {names}",
            "run pynet as root, and leave these capabilities in the bounding set of its unit or container",
        )


def kernel(facts: Facts) -> Iterator[Finding]:
    """Each feature was tried in a namespace of its own."""
    if facts.untried:
        what = f"whether the kernel has what pynet needs could not be tried: {facts.untried}"
        yield Finding("kernel", Severity.NOTE, what, "run pynet doctor as root, outside of containers")
    for feature, why in facts.features.items():
        if why:
            fix = f"use a kernel that has it, or load its module ({feature.split()[-1].strip('()')})"
            yield Finding("kernel", Severity.ERROR, f"the kernel has no {feature}: {why}", fix)


def nftables(facts: Facts) -> Iterator[Finding]:
    """The library is quicker than the program; one of them there must be."""
    if facts.libnftables:
        return
    severity = Severity.WARNING if facts.nft_program else Severity.ERROR
    what = "libnftables.so.1 cannot be loaded"
    what += ", so that every change of rules starts a process" if facts.nft_program else ", and there is no nft either"
    yield Finding("nftables", severity, what, "install the package libnftables1")


def forwarding(facts: Facts) -> Iterator[Finding]:
    """Pynet turns it on when the first network comes; whoever turns it off afterwards cuts containers off."""
    for version in sorted(facts.state.routed):
        if facts.settings.get(FORWARDING[version]) == "0":
            name = FORWARDING[version].replace("/", ".")
            what = f"{name} is 0 although there are networks that need it: containers do not reach the outside"
            fix = f"run sysctl -w {name}=1, and look in /etc/sysctl.d for what turned it off"
            yield Finding("forwarding", Severity.ERROR, what, fix)


def router_advertisements(facts: Facts) -> Iterator[Finding]:
    """A host that forwards IPv6 hears no routers, unless a link is told to."""
    on = facts.settings.get(FORWARDING[6], "0") not in {"", "0"}
    for link in facts.deaf:
        if on:
            what = f"link '{link}' ignores routers since the host forwards IPv6, and there is no IPv6 default route"
        else:
            what = (
                f"the first network with IPv6 makes the host lose the default route that routers advertise on '{link}'"
            )
        fix = f"run sysctl -w net.ipv6.conf.{link}.accept_ra=2, and keep it in /etc/sysctl.d"
        yield Finding("router advertisements", Severity.WARNING, what, fix)


def legacy_firewall(facts: Facts) -> Iterator[Finding]:
    """Pynet writes nftables only, so it cannot put its rule in front of this one."""
    for version in sorted(facts.legacy_drop):
        program = "iptables-legacy" if version == 4 else "ip6tables-legacy"
        what = f"the FORWARD chain of {program} has the policy DROP, which nftables cannot lift for pynet's networks"
        fix = f"run {program} -I DOCKER-USER -i pn-+ -j ACCEPT and the same with -o, or change to iptables-nft"
        yield Finding("firewall", Severity.ERROR, what, fix)


def other_firewalls(facts: Facts) -> Iterator[Finding]:
    """Those that pynet knows are only worth a note; a chain of somebody else may drop what it forwards."""
    for name in sorted(facts.firewalls):
        what = f"{name} is active; pynet keeps its own accept rule in its forward chain and puts it back after a reload"
        yield Finding("firewall", Severity.NOTE, what, "nothing needs to be done")
    for chain in facts.dropping:
        what = f"nftables chain '{chain}' drops what is forwarded by default, and pynet does not know whose it is"
        fix = 'accept the names of pynet\'s bridges in it, iifname "pn-*" and oifname "pn-*"'
        yield Finding("firewall", Severity.WARNING, what, fix)


def bridged_traffic(facts: Facts) -> Iterator[Finding]:
    """With br_netfilter frames between two containers of one network pass the host's FORWARD chains."""
    on = [version for version, path in BRIDGED.items() if facts.settings.get(path) == "1"]
    bad = sorted(facts.legacy_drop.intersection(on))
    if bad:
        what = "br_netfilter sends what containers of one network say to each other through a FORWARD chain that drops"
        fix = "run sysctl -w " + " ".join(f"{BRIDGED[version].replace('/', '.')}=0" for version in bad)
        yield Finding("br_netfilter", Severity.ERROR, what, fix)
    elif on:
        what = "br_netfilter is on: rules of other firewalls see what containers of one network say to each other"
        fix = "nothing needs to be done as long as containers reach each other"
        yield Finding("br_netfilter", Severity.NOTE, what, fix)


def listener(facts: Facts) -> Iterator[Finding]:
    """A dead socket is worse than none: the engine tries it for 15 s in every call."""
    path = facts.socket
    if facts.listener is Listener.NOTHING:
        fix = "start pynet, with systemctl start pynet.service or pynet serve"
        yield Finding("socket", Severity.WARNING, f"pynet does not run: there is no '{path}'", fix)
    elif facts.listener is Listener.DEAD:
        what = f"nobody listens on '{path}', and each call of the engine tries for 15 s"
        yield Finding("socket", Severity.ERROR, what, f"start pynet, which replaces it, or remove it with rm '{path}'")
    elif facts.listener is Listener.NO_SOCKET:
        what = f"'{path}' is a file and no socket, so that pynet cannot be reached"
        yield Finding("socket", Severity.ERROR, what, "move that file away, or choose another PYNET_SOCKET")


def engine(facts: Facts) -> Iterator[Finding]:
    """Which engine runs, as far as it says so in time."""
    if not facts.engine.version:
        what = f"Docker Engine does not answer on '{facts.engine.address}'"
        fix = "start it with systemctl start docker, or set DOCKER_HOST to where it listens"
        yield Finding("engine", Severity.WARNING, what, fix)
        return
    version = _numbers(facts.engine.version)
    if version < OLDEST_ENGINE:
        what = f"Docker Engine {facts.engine.version} is older than any that pynet is tested with"
        yield Finding("engine", Severity.ERROR, what, "use Docker Engine 20.10 or later")
    if CRASHING_ENGINES[0] <= version <= CRASHING_ENGINES[1]:
        what = f"Docker Engine {facts.engine.version} crashes whenever a container leaves a network of any plugin"
        yield Finding("engine", Severity.ERROR, what, "update Docker Engine to 29.0.3 or later")


def pools(facts: Facts) -> Iterator[Finding]:
    """Pools that overlap something are passed over; it is bad when none is left."""
    others = [network for network in facts.host_networks if network not in facts.own_pools]
    others += [network for _, network in facts.engine.networks if network not in facts.own_pools]
    left = dict.fromkeys((supernet.network.version for supernet in facts.supernets), 0)
    for supernet in facts.supernets:
        blocked = _blocked(supernet, others)
        number = 1 << (supernet.size - supernet.network.prefixlen)
        left[supernet.network.version] += number - blocked
        if blocked:
            named = _named(supernet, others, {net: name for name, net in facts.engine.networks})
            what = f"{blocked} of {number} pools of {supernet.network} are in use by the host: {named}"
            severity = Severity.NOTE if blocked < number else Severity.WARNING
            yield Finding("pools", severity, what, "pynet passes over them; name other supernets in PYNET_POOLS")
    for version, number in left.items():
        if not number:
            what = f"no IPv{version} pool is left for networks without a subnet of their own"
            yield Finding("pools", Severity.ERROR, what, "name supernets that the host does not use in PYNET_POOLS")


def bridges(facts: Facts) -> Iterator[Finding]:
    """The kernel counts the ports of a bridge in ten bits."""
    for name, number in facts.ports.items():
        if number >= MANY_PORTS:
            full = number >= MOST_PORTS
            what = f"bridge '{name}' has {number} of {MOST_PORTS} ports" + (": no container fits in" if full else "")
            fix = "put further containers on another network"
            yield Finding("bridges", Severity.ERROR if full else Severity.WARNING, what, fix)


def state(facts: Facts) -> Iterator[Finding]:
    """Without its state pynet does not know its networks."""
    folder = facts.state.folder
    if facts.state.problem:
        fix = f"mend what it says, or put a backup into '{folder}'"
        yield Finding("state", Severity.ERROR, facts.state.problem, fix)
    if facts.state.open_to_others:
        what = f"state folder '{folder}' can be entered by others than its owner"
        yield Finding("state", Severity.WARNING, what, f"run chmod 0700 '{folder}'")
    if facts.state.free < LITTLE_SPACE:
        what = f"the disk of '{folder}' has {facts.state.free >> 20} MiB left, and a full one stops every change"
        yield Finding("state", Severity.WARNING, what, "make room on that disk")


CHECKS: tuple[Check, ...] = (
    capabilities,
    kernel,
    nftables,
    forwarding,
    router_advertisements,
    legacy_firewall,
    other_firewalls,
    bridged_traffic,
    listener,
    engine,
    pools,
    bridges,
    state,
)


def _numbers(version: str) -> tuple[int, ...]:
    """Return (29, 0, 1) for "29.0.1-rc.2"; what cannot be read counts as 0."""
    return tuple(int(number) for number in (re.findall(r"\d+", version.partition("-")[0]) + ["0"] * 3)[:3])


def _overlapping(supernet: Supernet, networks: list[Subnet]) -> list[Subnet]:
    within = [network for network in networks if network.version == supernet.network.version]
    return [network for network in within if network.overlaps(supernet.network)]


def _blocked(supernet: Supernet, networks: list[Subnet]) -> int:
    """Return how many pools of ``supernet`` overlap one of ``networks``."""
    shift = supernet.network.max_prefixlen - supernet.size
    begin, end = int(supernet.network.network_address) >> shift, int(supernet.network.broadcast_address) >> shift
    runs = [
        (max(begin, int(network.network_address) >> shift), min(end, int(network.broadcast_address) >> shift))
        for network in _overlapping(supernet, networks)
    ]
    blocked, reached = 0, begin - 1
    for first, last in sorted(runs):
        blocked += max(0, last - max(first, reached + 1) + 1)
        reached = max(reached, last)
    return blocked


def _named(supernet: Supernet, networks: list[Subnet], names: dict[Subnet, str]) -> str:
    found = list(dict.fromkeys(_overlapping(supernet, networks)))
    shown = [f"{network} ({names[network]})" if network in names else str(network) for network in found[:3]]
    return ", ".join(shown) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
