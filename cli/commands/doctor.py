"""``pynet doctor``: finds what is wrong with this host, and how to fix it."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

from cli.client.serving import NoAnswer, ask
from cli.client.whereabouts import settings_and_complaints, whereabouts
from cli.engine.api import engine_socket, version_and_subnets
from cli.server.machine import machine_id
from cli.systemd_unit import FILE
from plugin.doctor.checks import Examination, examine
from plugin.doctor.facts import EngineFacts, ServiceFacts, Severity
from plugin.doctor.probe import Places, Told, gather
from plugin.errors import PynetError
from plugin.ipam.supernets import parse_supernets

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "blue"}
PATIENCE = 10.0  # seconds; a pynet that is only busy answers within them


def diagnose(environment: Mapping[str, str], file: Path = FILE) -> Examination:
    """Examine the host; ``file`` has the settings of the service."""
    settings, complaints = settings_and_complaints(environment, file)
    with whereabouts(environment, settings) as place:
        supernets = parse_supernets(place.pools, machine_id(place.database.parent))
        serving, hangs = ask_status(place.socket)
        places = Places(place.socket, place.database, supernets)
        return examine(gather(places, Told(_engine(environment), serving, hangs, complaints)))


def ask_status(socket: Path, patience: float = PATIENCE) -> tuple[ServiceFacts, bool]:
    """Return the status of the running pynet, and whether it accepts calls without answering them."""
    try:
        reply = ask(socket, "Status", patience)
        failing = tuple((str(one["Sentence"]), str(one["Error"])) for one in reply["Failing"])
        repairs = {str(kind): int(count) for kind, count in reply["Repairs"].items()}
        return ServiceFacts(failing, repairs, int(reply.get("Sockets", 0)), int(reply.get("MostSockets", 0))), False
    except NoAnswer:
        return ServiceFacts(), True
    except (PynetError, ValueError, LookupError, TypeError, AttributeError):
        return ServiceFacts(), False  # nobody, another program, or an older pynet: the check of the socket says which


def as_text(found: Examination, *, every: bool = False) -> str:
    """Return the findings for people, two lines each; with ``every`` also a line for each check that found nothing."""
    lines = [f"{_painted(each.severity)}: {each.what}\n    {each.fix}" for each in found.findings]
    sound = [f"{click.style('sound', fg='green')}: {name}" for name in found.sound] if every else []
    return "\n".join([*lines, *sound] or ["nothing is wrong here"])


def _painted(severity: Severity) -> str:
    return click.style(severity, fg=_COLOURS[severity], bold=severity is Severity.ERROR)


def _engine(environment: Mapping[str, str]) -> EngineFacts:
    address, named = engine_socket(), environment.get("DOCKER_HOST", "")
    version, subnets = version_and_subnets()
    elsewhere = named if named and not named.startswith("unix://") else ""
    return EngineFacts(version, address, subnets, elsewhere, denied=not version and _is_denied(Path(address)))


def _is_denied(path: Path) -> bool:
    """Return whether there is a socket that this user may not use, as far as the user can see it."""
    try:
        return path.exists() and not os.access(path, os.R_OK | os.W_OK)
    except PermissionError:
        return True
