"""``pynet backup`` and ``pynet restore``."""

from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cli.client.serving import NotServing, configured, find_serving
from cli.human import count
from cli.server.records import KINDS
from cli.settings import Settings
from cli.systemd_unit import unit_installed
from plugin.errors import Conflict, Failed
from plugin.store.sqlite.backup import Counts, restore, write_copy
from plugin.store.sqlite.lockfile import lock_state

SHOWN = ("network", "endpoint", "pool", "lease")


def save(reply: Mapping[str, Any], target: Path) -> dict[str, Any]:
    """Write the reply to the verb Backup to a new file, and return the file and its records; raises ``PynetError``."""
    write_copy(b64decode(reply["Database"]), target)
    return {"file": str(target.absolute()), "records": _counted(reply["Records"])}


def as_sentence(done: Mapping[str, Any]) -> str:
    """Return a sentence about a backup or a restore for people."""
    numbers = ", ".join(count(done["records"][kind], kind) for kind in SHOWN)
    if "state_dir" not in done:
        return f"backup '{done['file']}' written: {numbers}"
    before = f"; the store that was there is '{done['set_aside']}'" if done["set_aside"] else ""
    into = f"restored from '{done['file']}' to '{done['state_dir']}', by {done['known_by']}"
    return f"{into}: {numbers}{before}; start pynet to bring the host in line"


def restore_from(source: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Replace the store by a backup, and return everything about it; raises ``PynetError``.

    The state is found by settings alone: pynet must not run, and a call to its socket would start a stopped service.
    """
    if Settings.state_dir.key not in environment and not unit_installed():
        _refuse_managed_plugin(source, environment)
    settings, known_by = configured(environment)
    try:
        lock = lock_state(settings.state_dir, timeout=0)
    except Conflict as error:
        raise Conflict(f"restore '{source}': stop pynet first ({error})") from error
    try:
        done = restore(source, settings.database, KINDS)
    finally:
        lock.release()
    return {
        "file": str(source.absolute()),
        "state_dir": str(settings.state_dir),
        "known_by": known_by,
        "set_aside": str(done.set_aside or ""),
        "records": _counted(done.counts),
    }


def _refuse_managed_plugin(source: Path, environment: Mapping[str, str]) -> None:
    """Refuse while a managed plugin runs: its state is in a folder of the engine, which no setting names."""
    with suppress(NotServing):
        if find_serving(environment).about["Managed"]:
            raise Failed(
                f"restore '{source}': the pynet that serves is a managed plugin; disable it, and name the folder of "
                f"its state in {Settings.state_dir.key}"
            )


def _counted(counts: Counts) -> dict[str, int]:
    """Return the numbers of records by kind, with the keys of commands."""
    found = {kind.replace("-", "_"): number for kind, number in counts.items()}
    return dict.fromkeys(SHOWN, 0) | found
