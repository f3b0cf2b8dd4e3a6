"""Where pynet is on this host, for ``pynet doctor``: found out also when it does not serve, hangs, or cannot start."""

import tempfile
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cli.service import ask
from cli.serving import find_serving
from cli.settings import POOLS, Settings
from plugin.errors import PynetError
from plugin.store.backup import write_copy

PATIENCE = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """``trouble`` is why the pynet that serves was not asked (``cli.service``).

    ``database`` is a copy where its own cannot be seen from here, as that of a managed plugin.
    """

    socket: Path
    database: Path
    pools: str
    trouble: PynetError | None = None


@contextmanager
def whereabouts(environment: Mapping[str, str], settings: Settings) -> Iterator[Whereabouts]:
    """Yield where pynet is: what the one that serves says, else ``settings``, those of the next start."""
    place = Whereabouts(settings.socket, settings.database, settings.pools)
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
