"""Finds pynet and its settings for ``pynet doctor``, also when it does not run, hangs, or cannot start."""

import tempfile
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cli.client.serving import ask, find_serving
from cli.settings import Settings, read_settings
from cli.systemd_unit import FILE, read_environment_file
from plugin.errors import InvalidRequest, PynetError
from plugin.store.sqlite.backup import write_copy

PATIENCE = 2.0  # seconds
Complaints = tuple[tuple[str, str], ...]  # place, sentence


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """``database`` is a copy where the real one cannot be read from here, as in a managed plugin.

    ``socket`` is the engine's, and ``admin`` the one for commands.
    """

    socket: Path
    admin: Path
    database: Path
    pools: str


@contextmanager
def whereabouts(environment: Mapping[str, str], settings: Settings) -> Iterator[Whereabouts]:
    """Yield the places that the running pynet names, or those of ``settings``, with which the next one would start."""
    place = Whereabouts(settings.socket, settings.admin, settings.database, settings.pools)
    try:
        serving = find_serving(environment, PATIENCE)
    except PynetError:  # the checks of the socket say why
        yield place
        return
    pools = serving.settings[Settings.pools.key]
    place = replace(place, socket=serving.engine_socket, admin=serving.socket, pools=pools)
    own = Path(serving.about["StateDir"]) / settings.database.name
    if not serving.about["Managed"]:
        yield replace(place, database=own)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / own.name
        with suppress(PynetError):
            write_copy(b64decode(ask(serving.socket, "Backup")["Database"]), copy)
        yield replace(place, database=copy)


def settings_and_complaints(environment: Mapping[str, str], file: Path = FILE) -> tuple[Settings, Complaints]:
    """Return the good settings, and a complaint for each bad one; the environment goes before the file."""
    good: dict[str, str] = {}
    complaints: list[tuple[str, str]] = []
    for place, values in ((str(file), _read(file)), ("the environment", environment)):
        for key, value in values.items():
            if key.startswith("PYNET_"):
                sentence = _complaint(key, value)
                complaints += [(place, sentence)] if sentence else []
                good |= {} if sentence else {key: value}
    return read_settings(good), tuple(complaints)


def _complaint(key: str, value: str) -> str:
    try:
        read_settings({key: value})
    except InvalidRequest as error:
        return str(error)
    return ""


def _read(file: Path) -> dict[str, str]:
    """Return the variables that the unit would read; empty where there is no readable file."""
    try:
        return read_environment_file(file.read_text(errors="replace"))
    except OSError:
        return {}
