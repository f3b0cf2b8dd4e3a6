"""Judges a host by its facts: one small function per question; each finding names its cure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plugin.doctor import firewalls, networks, service
from plugin.doctor.facts import Check, Facts, HostFinding, Severity

OLDEST_ENGINE = (20, 10, 0)
# Revoke unlocks a mutex that is not locked; mended in 29.0.3 (moby ed10b98506).
CRASHING_ENGINES = ((29, 0, 0), (29, 0, 2))


@dataclass(frozen=True, slots=True)
class Examination:
    """The findings, the worst first, and the names of the checks that found nothing."""

    findings: Sequence[HostFinding]
    sound: Sequence[str]


def examine(facts: Facts) -> Examination:
    """Ask every question, and sort the findings, the worst first."""
    answers = {name: list(check(facts)) for name, check in CHECKS.items()}
    found = [finding for findings in answers.values() for finding in findings]
    return Examination(
        sorted(found, key=lambda finding: list(Severity).index(finding.severity)),
        [name for name, findings in answers.items() if not findings],
    )


def exit_code(findings: Sequence[HostFinding]) -> int:
    """Return 2 when there is an error, 1 when there is a warning, else 0."""
    found = {finding.severity for finding in findings}
    return 2 if Severity.ERROR in found else int(Severity.WARNING in found)


def capabilities(facts: Facts) -> Iterator[HostFinding]:
    """Root in a container may lack capabilities that root on a host has."""
    if facts.missing_capabilities:
        names = " and ".join(facts.missing_capabilities)
        yield HostFinding(
            "capabilities",
            Severity.ERROR,
            f"this process lacks {names}",
            "run pynet as root, and leave these capabilities in the bounding set of its unit or container",
        )


def kernel(facts: Facts) -> Iterator[HostFinding]:
    """Each feature of the kernel was tried in a network namespace of its own."""
    if facts.untried:
        what = f"whether the kernel has what pynet needs could not be tried: {facts.untried}"
        yield HostFinding("kernel", Severity.NOTE, what, "run pynet doctor as root, outside of containers")
    for feature, why in facts.features.items():
        if why:
            fix = f"use a kernel that has it, or load its module ({feature.split()[-1].strip('()')})"
            yield HostFinding("kernel", Severity.ERROR, f"the kernel has no {feature}: {why}", fix)


def nftables(facts: Facts) -> Iterator[HostFinding]:
    """The library is quicker than the program; pynet needs one of the two."""
    if facts.libnftables:
        return
    severity = Severity.WARNING if facts.nft_program else Severity.ERROR
    what = "libnftables.so.1 cannot be loaded"
    what += ", so that every change of rules starts a process" if facts.nft_program else ", and there is no nft either"
    yield HostFinding("nftables", severity, what, "install the package libnftables1")


def engine(facts: Facts) -> Iterator[HostFinding]:
    """The engine should answer, be the one that docker talks to, and have a version that works."""
    asked = facts.engine
    if asked.elsewhere:
        what = f"DOCKER_HOST is '{asked.elsewhere}', so that docker does not talk to the engine of this host"
        fix = f"unset DOCKER_HOST, or look there; what is said here is about the engine on '{asked.address}'"
        yield HostFinding("engine", Severity.WARNING, what, fix)
    if asked.denied:
        return
    if not asked.version:
        what = f"Docker Engine does not answer on '{asked.address}'"
        start = "start it with systemctl start docker" if facts.systemd else "start dockerd"
        yield HostFinding("engine", Severity.WARNING, what, f"{start}, or set DOCKER_HOST to where it listens")
        return
    version = _numbers(asked.version)
    if version < OLDEST_ENGINE:
        what = f"Docker Engine {asked.version} is older than any that pynet is tested with"
        yield HostFinding("engine", Severity.ERROR, what, "use Docker Engine 20.10 or later")
    if CRASHING_ENGINES[0] <= version <= CRASHING_ENGINES[1]:
        what = f"Docker Engine {asked.version} crashes whenever a container leaves a network of any plugin"
        yield HostFinding("engine", Severity.ERROR, what, "update Docker Engine to 29.0.3 or later")


CHECKS: Mapping[str, Check] = {  # by a name for people
    "rights of this command": service.unseen,
    "capabilities": capabilities,
    "kernel": kernel,
    "nftables": nftables,
    "settings": service.settings,
    "systemd units": service.units,
    "socket": service.listener,
    "repairs": service.not_repaired,
    "sockets of ports": service.sockets,
    "state": service.state,
    "engine": engine,
    "forwarding": networks.forwarding,
    "settings that others change": networks.turned_off,
    "router advertisements": networks.router_advertisements,
    "routes": networks.detours,
    "addresses that are left": networks.full_pools,
    "pools": networks.pools,
    "ports of bridges": networks.bridges,
    "rules of iptables-legacy": firewalls.legacy_firewall,
    "other firewalls": firewalls.other_firewalls,
    "bridged traffic": firewalls.bridged_traffic,
}


def _numbers(version: str) -> tuple[int, ...]:
    """Return (29, 0, 1) for "29.0.1-rc.2"; a part that cannot be read counts as 0."""
    return tuple(int(number) for number in (re.findall(r"\d+", version.partition("-")[0]) + ["0"] * 3)[:3])
