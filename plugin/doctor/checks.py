"""Judges a host by its facts: one small function per question; each finding names its cure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from plugin.doctor import firewalls, hosts, networks, service
from plugin.doctor.facts import Check, Facts, HostFinding, Severity, Subject
from plugin.doctor.host_access import doubled_addresses, host_access
from plugin.doctor.resolver import resolver

OLDEST_ENGINE = (20, 10, 0)
# Revoke unlocks a mutex that is not locked; mended in 29.0.3 (moby ed10b98506).
CRASHING_ENGINES = ((29, 0, 0), (29, 0, 2))
DNS_BREAKING_ENGINE = (29, 1, 0)  # its resolver loses the servers behind it; taken back in 29.1.1 (moby#51615)
GUIDE = "docs/guide/troubleshooting.md"


@dataclass(frozen=True, slots=True)
class Examination:
    """The findings, the worst first, and the names of the checks that found nothing or could not look."""

    findings: Sequence[HostFinding]
    sound: Sequence[str] = ()
    unknown: Sequence[str] = ()


def examine(facts: Facts) -> Examination:
    """Ask every question, and sort the findings, the worst first."""
    answers = {name: [replace(one, check=name) for one in check.ask(facts)] for name, check in CHECKS.items()}
    found = [finding for findings in answers.values() for finding in findings]
    silent = [name for name, findings in answers.items() if not findings]
    unknown = [name for name in silent if CHECKS[name].needs.intersection(facts.unseen)]
    return Examination(
        sorted(found, key=lambda finding: list(Severity).index(finding.severity)),
        [name for name in silent if name not in unknown],
        unknown,
    )


def see(check: str) -> str:
    """Return the place in the documents that tells more about the findings of a check."""
    return f"{GUIDE}#{check}"


def exit_code(findings: Sequence[HostFinding]) -> int:
    """Return 2 when there is an error, 1 when there is a warning, else 0."""
    found = {finding.severity for finding in findings}
    return 2 if Severity.ERROR in found else int(Severity.WARNING in found)


def capabilities(facts: Facts) -> Iterator[HostFinding]:
    """Root in a container may lack capabilities that root on a host has."""
    if facts.missing_capabilities:
        names = " and ".join(facts.missing_capabilities)
        cure = "run pynet as root, and leave these capabilities in the bounding set of its unit or container"
        yield HostFinding(Severity.ERROR, f"this process lacks {names}", cure, ("grep CapBnd /proc/self/status",))


def kernel(facts: Facts) -> Iterator[HostFinding]:
    """Each feature of the kernel was tried in a network namespace of its own."""
    if facts.untried:
        cause = f"whether the kernel has what pynet needs could not be tried: {facts.untried}"
        cure = "run pynet doctor as root, outside of containers"
        yield HostFinding(Severity.NOTE, cause, cure, ("sudo pynet doctor",))
    for feature, why in facts.features.items():
        if why:
            module = feature.split()[-1].strip("()")
            cure = "load its module, or use a kernel that has it"
            yield HostFinding(Severity.ERROR, f"the kernel has no {feature}: {why}", cure, (f"modprobe {module}",))


def nftables(facts: Facts) -> Iterator[HostFinding]:
    """The library is quicker than the program; pynet needs one of the two."""
    if facts.libnftables:
        return
    severity = Severity.WARNING if facts.nft_program else Severity.ERROR
    cause = "libnftables.so.1 cannot be loaded"
    cause += ", so that every change of rules starts a process" if facts.nft_program else ", and there is no nft either"
    yield HostFinding(severity, cause, "install the library", ("apt-get install libnftables1",))


def engine(facts: Facts) -> Iterator[HostFinding]:
    """The engine should answer, be the one that docker talks to, and have a version that works."""
    asked = facts.engine
    if asked.elsewhere:
        cause = f"DOCKER_HOST is '{asked.elsewhere}', so that docker does not talk to the engine of this host"
        cure = f"unset DOCKER_HOST, or look there; what is said here is about the engine on '{asked.address}'"
        yield HostFinding(Severity.WARNING, cause, cure, ("unset DOCKER_HOST",))
    if asked.denied:
        return
    if not asked.version:
        cause = f"Docker Engine does not answer on '{asked.address}'"
        start = ("systemctl start docker.service",) if facts.systemd else ("dockerd",)
        yield HostFinding(Severity.WARNING, cause, "start it, or set DOCKER_HOST to where it listens", start)
        return
    version = version_numbers(asked.version)
    if version < OLDEST_ENGINE:
        cause = f"Docker Engine {asked.version} is older than any that pynet is tested with"
        yield HostFinding(Severity.ERROR, cause, "use Docker Engine 20.10 or later")
    if CRASHING_ENGINES[0] <= version <= CRASHING_ENGINES[1]:
        cause = f"Docker Engine {asked.version} crashes whenever a container leaves a network of any plugin"
        yield HostFinding(Severity.ERROR, cause, "update Docker Engine to 29.0.3 or later")
    if version == DNS_BREAKING_ENGINE:
        cause = f"containers of Docker Engine {asked.version} find no names but those of their networks"
        yield HostFinding(Severity.ERROR, cause, "update Docker Engine to 29.1.1 or later")


_STATE = frozenset({Subject.STATE})
_SERVING = frozenset({Subject.SERVING})
_SERVED = frozenset({Subject.SERVING, Subject.STATE, Subject.ENGINE})
_RULES = frozenset({Subject.RULES, Subject.STATE})

# The names are anchors in docs/guide/troubleshooting.md and stay as they are; scripts may look for them.
CHECKS: Mapping[str, Check] = {
    "privileges": Check(service.unseen, "this user may look at everything"),
    "capabilities": Check(capabilities, "this process has the capabilities that pynet needs"),
    "kernel": Check(kernel, "the kernel has every feature that pynet needs", frozenset({Subject.KERNEL})),
    "nftables": Check(nftables, "the library of nftables can be loaded"),
    "settings": Check(service.settings, "every setting is good"),
    "units": Check(service.units, "no unit of pynet has failed"),
    "socket": Check(service.listener, "pynet answers on its socket", _SERVING),
    "repairs": Check(service.not_repaired, "there is nothing that pynet cannot repair", _SERVING),
    "port-limit": Check(service.sockets, "pynet may hold enough published ports", _SERVING),
    "metrics": Check(service.metrics, "the metrics are served where they should be, and to this host alone", _SERVING),
    "state": Check(service.state, "the state can be read and written, and its disk has room", _STATE),
    "engine": Check(engine, "Docker Engine answers, with a version that works", frozenset({Subject.ENGINE})),
    "forwarding": Check(networks.forwarding, "the host forwards for every network that needs it", _STATE),
    "changed-settings": Check(networks.turned_off, "nothing keeps changing settings of networks", _SERVING),
    "router-advertisements": Check(networks.router_advertisements, "no link loses the host's IPv6 default route"),
    "routes": Check(networks.detours, "packets of every network go by its link", _STATE),
    "addresses": Check(networks.full_pools, "every subnet has addresses left", _STATE),
    "pools": Check(networks.pools, "there are pools for new networks"),
    "bridge-ports": Check(networks.bridges, "every bridge has ports left"),
    "limits": Check(networks.limits, "the kernel can limit the rates of containers", frozenset({Subject.KERNEL})),
    "host-names": Check(networks.host_names, "every name of a host in a policy has an address", _STATE),
    "resolver": Check(resolver, "containers of networks with names ask pynet's resolver, and it answers", _SERVED),
    "host-access": Check(host_access, "the host reaches the containers of every network that it should", _STATE),
    "doubled-addresses": Check(doubled_addresses, "no container on the LAN has an address of the host", _STATE),
    "takeover": Check(hosts.takeovers, "no host is missed whose addresses are taken over", _SERVING),
    "lost-addresses": Check(hosts.lost_addresses, "no container has lost its address to another host", _STATE),
    "left-out": Check(hosts.left_out, "nothing is left out of networks that hosts share", _SERVING),
    "turned-away": Check(hosts.turned_away, "packets of other hosts come by links that lead back", _SERVING),
    "legacy-firewall": Check(firewalls.legacy_firewall, "iptables-legacy drops nothing of networks"),
    "firewall": Check(firewalls.other_firewalls, "no other firewall drops traffic that networks need", _RULES),
    "bridged-traffic": Check(firewalls.bridged_traffic, "bridged traffic passes the host's chains"),
}


def version_numbers(version: str) -> tuple[int, ...]:
    """Return (29, 0, 1) for "29.0.1-rc.2"; a part that cannot be read counts as 0."""
    return tuple(int(number) for number in (re.findall(r"\d+", version.partition("-")[0]) + ["0"] * 3)[:3])
