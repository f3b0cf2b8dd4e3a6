"""``pynet doctor``: what is wrong with this host, and what to do about it."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from cli.engine import here, version_and_subnets
from cli.settings import Settings
from cli.wiring import machine_id
from plugin.doctor.checks import Finding, examine
from plugin.doctor.facts import Engine
from plugin.doctor.probe import Places, gather
from plugin.ipam.supernets import parse_supernets


def diagnose(settings: Settings) -> list[Finding]:
    """Look at the host and return what is wrong, the worst first; raises ``InvalidRequest`` for bad settings."""
    supernets = parse_supernets(settings.pools, machine_id(settings.state_dir))
    version, subnets = version_and_subnets()
    places = Places(settings.socket, settings.database, supernets)
    return examine(gather(places, Engine(version, here(), subnets)))


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings for programs."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def as_text(findings: Sequence[Finding]) -> str:
    """Return the findings for people, two lines each."""
    if not findings:
        return "nothing is wrong here"
    return "\n".join(f"{finding.severity}: {finding.what}\n    {finding.fix}" for finding in findings)
