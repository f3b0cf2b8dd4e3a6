"""Finds pynet on this host for ``pynet doctor``, also when it does not run, hangs, or cannot start."""

import tempfile
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cli.client.service import ask
from cli.client.serving import find_serving
from cli.settings import POOLS, Settings
from plugin.errors import PynetError
from plugin.store.sqlite.backup import write_copy

PATIENCE = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """``database`` is a copy where the real one cannot be read from here, as in a managed plugin."""

    socket: Path
    database: Path
    pools: str


@contextmanager
def whereabouts(environment: Mapping[str, str], settings: Settings) -> Iterator[Whereabouts]:
    """Yield the places that the running pynet names, or those of ``settings``, with which the next one would start."""
    place = Whereabouts(settings.socket, settings.database, settings.pools)
    try:
        serving = find_serving(environment, PATIENCE)
    except PynetError:  # the checks of the socket say why
        yield place
        return
    place = replace(place, socket=serving.socket, pools=serving.settings[POOLS.key])
    own = Path(serving.about["StateDir"]) / settings.database.name
    if not serving.about["Managed"]:
        yield replace(place, database=own)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / own.name
        with suppress(PynetError):
            write_copy(b64decode(ask(serving.socket, "Backup")["Database"]), copy)
        yield replace(place, database=copy)
