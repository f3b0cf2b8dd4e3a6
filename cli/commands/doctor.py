"""``pynet doctor``: finds what is wrong with this host, and how to fix it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import time
from typing import Any

import click

from cli.client.serving import NoAnswer, ask
from cli.client.whereabouts import settings_and_complaints, whereabouts
from cli.commands.reconcile import repair_rows
from cli.engine.api import engine_socket, known_names, version_and_subnets
from cli.engine.containers import container, containers
from cli.listen_place import parse_place
from cli.server.machine import machine_id
from cli.settings import Settings
from cli.systemd_unit import FILE
from cli.tables import wrapped
from plugin.doctor.checks import CHECKS, Examination, examine, see
from plugin.doctor.facts import EngineFacts, HostFinding, ServiceFacts, Severity, TurnedAway
from plugin.doctor.probe import Places, Told, gather
from plugin.doctor.resolver import Inside
from plugin.errors import PynetError
from plugin.firewall.reasons import DIRECT_SOURCE, REMEMBERED
from plugin.ipam.supernets import parse_supernets
from plugin.protocol.messages import Countdown, LeftOut

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "blue"}
PATIENCE = 10.0  # seconds; a pynet that is only busy answers within them


def diagnose(environment: Mapping[str, str], file: Path = FILE) -> Examination:
    """Examine the host; ``file`` has the settings of the service."""
    settings, complaints = settings_and_complaints(environment, file)
    with whereabouts(environment, settings) as place:
        supernets = parse_supernets(place.pools, machine_id(place.database.parent))
        serving, hangs = ask_status(place.admin)
        places = Places(place.socket, place.database, supernets)
        return examine(gather(places, Told(_engine(environment), serving, hangs, complaints, container_of)))


def ask_status(socket: Path, patience: float = PATIENCE) -> tuple[ServiceFacts, bool]:
    """Return the status of the running pynet, and whether it accepts calls without answering them."""
    try:
        reply = ask(socket, "Status", patience)
        failing = tuple((one["sentence"], one["error"]) for one in repair_rows(reply["Failing"], known_names))
        repairs = {str(kind): int(count) for kind, count in reply["Repairs"].items()}
        sockets, most = int(reply.get("Sockets", 0)), int(reply.get("MostSockets", 0))
        told = *_metrics(socket, patience), *_resolver(socket, patience), _takeovers(reply), _left_out(reply)
        return ServiceFacts(failing, repairs, sockets, most, *told, _turned_away(socket, patience)), False
    except NoAnswer:
        return ServiceFacts(), True
    except (PynetError, ValueError, LookupError, TypeError, AttributeError):
        return ServiceFacts(), False  # nobody, another program, or an older pynet: the check of the socket says which


def container_of(network: str) -> Inside | None:
    """Return a container of a network that runs; None if there is none, or the engine does not tell."""
    try:
        for found in containers({"network": [network]}, stopped=False):
            one = container(str(found["Id"]))
            if one.process:
                return Inside(one.name, one.process)
    except (PynetError, LookupError, TypeError, ValueError):
        return None
    return None


def _resolver(socket: Path, patience: float) -> tuple[tuple[str, ...], str]:
    """Return the addresses at which the resolver serves, and why it does not, "" if it does or nobody wants it."""
    reply = ask(socket, "Resolver", patience)
    return tuple(map(str, reply["Addresses"])), str(reply["Trouble"])


def _takeovers(status: Mapping[str, Any]) -> tuple[Countdown, ...]:
    """Return the countdowns in the reply to Status; an older pynet tells none."""
    return tuple(
        Countdown(each["Host"], each["Name"], each["Network"], each["Gone"], each["Left"])
        for each in status.get("Takeovers", ())
    )


def _left_out(status: Mapping[str, Any]) -> tuple[LeftOut, ...]:
    """Return what the reply to Status says is left out of tables; an older pynet says nothing."""
    return tuple(LeftOut(each["Network"], each["What"], each["Why"]) for each in status.get("LeftOut", ()))


def _turned_away(socket: Path, patience: float) -> tuple[TurnedAway, ...]:
    """Return which packets of containers on other hosts were dropped lately, as they came by another link."""
    since = time() - REMEMBERED
    return tuple(
        TurnedAway(each["Network"], str(each["From"]["Address"] or "?"), each["From"]["Link"], each["Packets"])
        for each in ask(socket, "Drops", patience)["Drops"]
        if each["Reason"] == DIRECT_SOURCE and each["Last"] >= since
    )


def _metrics(socket: Path, patience: float) -> tuple[str, str]:
    """Return where others may read the metrics, and why nobody can, "" for neither."""
    settings = {each["Key"]: each["Value"] for each in ask(socket, "Settings", patience)["Settings"]}
    text = settings.get(Settings.metrics.key, "")
    place = parse_place(text) if text else None
    verdicts = ask(socket, "Health", patience)["Checks"]
    problem = next((str(each["Reason"]) for each in verdicts if each["Check"] == "metrics"), "")
    return text if place and place.is_open else "", problem


def as_data(found: Examination) -> list[dict[str, Any]]:
    """Return the findings for scripts."""
    return [
        {
            "check": each.check,
            "severity": each.severity,
            "cause": each.cause,
            "cure": each.cure,
            "commands": list(each.commands),
            "see": see(each.check),
        }
        for each in found.findings
    ]


def as_text(found: Examination, *, every: bool = False) -> str:
    """Return the findings for people; with ``every`` also a line for each check that found nothing."""
    parts = ["\n".join(_lines(each)) for each in found.findings]
    if every:
        sound = click.style("sound", fg="green")
        parts += ["\n".join(f"{sound}: {CHECKS[name].sound} ({name})" for name in found.sound)] if found.sound else []
        parts += ["\n".join(f"unknown: whether {CHECKS[name].sound} ({name})" for name in found.unknown)]
    return "\n\n".join(filter(None, parts)) or f"nothing is wrong here: {len(found.sound)} checks found nothing"


def _lines(finding: HostFinding) -> Iterator[str]:
    yield wrapped(f"{_painted(finding.severity)}: {finding.cause}", indent=2)
    yield wrapped(f"  {finding.cure}:" if finding.commands else f"  {finding.cure}", indent=2)
    yield from (f"      {command}" for command in finding.commands)
    yield f"  see {see(finding.check)}"


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
