"""Where pynet is on this host, for ``pynet doctor``: found out also when it does not serve, hangs, or cannot start."""

import tempfile
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cli.service import ask
from cli.serving import configured, find_serving
from cli.settings import POOLS, Settings, read_settings
from plugin.errors import PynetError
from plugin.store.backup import write_copy

PATIENCE = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """``trouble`` is why the pynet that serves was not asked (``cli.service``); ``bad_setting`` names one that is bad.

    ``database`` is a copy where its own cannot be seen from here, as that of a managed plugin.
    """

    socket: Path
    database: Path
    pools: str
    trouble: PynetError | None = None
    bad_setting: str = ""


@contextmanager
def whereabouts(environment: Mapping[str, str]) -> Iterator[Whereabouts]:
    """Yield where pynet is: what the one that serves says, else what the next one would be started with."""
    settings, bad = _would_be(environment)
    place = Whereabouts(settings.socket, settings.database, settings.pools, bad_setting=bad)
    try:
        serving = find_serving(environment, PATIENCE)
    except PynetError as trouble:
        yield replace(place, trouble=trouble)
        return
    place = replace(place, socket=serving.socket, pools=serving.settings[POOLS.key])
    own = Path(serving.about["StateDir"]) / settings.database.name
    if not serving.about["Managed"]:
        yield replace(place, database=own)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / own.name
        try:
            write_copy(b64decode(ask(serving.socket, "Backup")["Database"]), copy)
        except PynetError as trouble:
            place = replace(place, trouble=trouble)
        yield replace(place, database=copy)


def _would_be(environment: Mapping[str, str]) -> tuple[Settings, str]:
    """Return the settings of the next start, and what is wrong with them; then the defaults stand for them."""
    try:
        settings, _ = configured(environment)
        _ = settings.access  # reads files that they name
    except PynetError as error:
        return read_settings({}), str(error)
    return settings, ""
