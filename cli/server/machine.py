"""Tells this machine from others: the prefix of its IPv6 pools follows from it."""

import secrets
from contextlib import suppress
from pathlib import Path

from plugin.store.sqlite.files import write_private

MACHINE_ID = Path("/etc/machine-id")


def machine_id(state_dir: Path, own: Path = MACHINE_ID) -> str:
    """Return an id of this machine. A container has none, so one is made up and kept with the state."""
    kept = state_dir / MACHINE_ID.name
    if known := _read(kept) or _read(own):
        return known
    made = secrets.token_hex(16)
    with suppress(OSError):  # without it the next start has IPv6 pools of another prefix
        write_private(kept, made + "\n")
    return made


def this_machine(own: Path = MACHINE_ID) -> str:
    """Return the id of the machine alone, which no copy of the state folder has; "" in a container."""
    return _read(own)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
