"""``pynet doctor``: what is wrong with this host, and what to do about it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from cli.engine import here, version_and_subnets
from cli.service import NoAnswer
from cli.serving import configured
from cli.settings import Settings, read_settings
from cli.whereabouts import whereabouts
from cli.wiring import machine_id
from plugin.doctor.checks import Finding, Severity, examine
from plugin.doctor.facts import Engine
from plugin.doctor.probe import Places, gather
from plugin.errors import PynetError
from plugin.ipam.supernets import parse_supernets


def diagnose(environment: Mapping[str, str]) -> list[Finding]:
    """Look at the host and return what is wrong, the worst first."""
    version, subnets = version_and_subnets()
    settings, bad = _of_the_next_start(environment)
    with whereabouts(environment, settings) as place:
        supernets = parse_supernets(place.pools, machine_id(place.database.parent))
        places = Places(place.socket, place.database, supernets)
        found = examine(gather(places, Engine(version, here(), subnets)))
    if bad:
        fix = "mend it, and run systemctl restart pynet.service, or start pynet as you did"
        found.insert(0, Finding("settings", Severity.ERROR, f"pynet cannot start: {bad}", fix))
    if isinstance(place.trouble, NoAnswer):
        fix = "if it goes on, kill that process; networks and containers stay as they are"
        found.insert(0, Finding("socket", Severity.ERROR, str(place.trouble), fix))
    return found


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings for programs."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def as_text(findings: Sequence[Finding]) -> str:
    """Return the findings for people, two lines each."""
    if not findings:
        return "nothing is wrong here"
    return "\n".join(f"{finding.severity}: {finding.what}\n    {finding.fix}" for finding in findings)


def _of_the_next_start(environment: Mapping[str, str]) -> tuple[Settings, str]:
    """Return the settings of the next start, and what is wrong with them; then the defaults stand for them."""
    try:
        settings, _ = configured(environment)
        _ = settings.access  # reads files that they name
    except PynetError as error:
        return read_settings({}), str(error)
    return settings, ""
