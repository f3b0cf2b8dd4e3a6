"""``pynet backup`` and ``pynet restore``."""

from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cli.client.serving import NotServing, configured, find_serving
from cli.server.records import KINDS
from cli.settings import Settings
from cli.systemd_unit import unit_installed
from plugin.errors import Conflict, Failed
from plugin.store.sqlite.backup import Counts, restore, write_copy
from plugin.store.sqlite.lockfile import lock_state

SHOWN = ("network", "endpoint", "pool", "lease")


def save(reply: Mapping[str, Any], target: Path) -> str:
    """Write the reply to Pynet.Backup to a new file, and return a sentence for the user; raises ``PynetError``."""
    write_copy(b64decode(reply["Database"]), target)
    return f"backup '{target}' written: {_numbers(reply['Records'])}"


def restore_from(source: Path, environment: Mapping[str, str]) -> str:
    """Replace the store by a backup, and return a sentence for the user; raises ``PynetError``.

    The state is found by settings alone: pynet must not run, and a call to its socket would start a stopped service.
    """
    if Settings.state_dir.key not in environment and not unit_installed():
        _refuse_managed_plugin(source, environment)
    settings, known_by = configured(environment)
    try:
        lock = lock_state(settings.state_dir, timeout=0)
    except Conflict as error:
        raise Failed(f"restore '{source}': stop pynet first ({error})") from error
    try:
        done = restore(source, settings.database, KINDS)
    finally:
        lock.release()
    into = f"restored from '{source}' to '{settings.state_dir}', by {known_by}: {_numbers(done.counts)}"
    before = f"; the store that was there is '{done.set_aside}'" if done.set_aside else ""
    return f"{into}{before}; start pynet to bring the host in line"


def _refuse_managed_plugin(source: Path, environment: Mapping[str, str]) -> None:
    """Refuse while a managed plugin runs: its state is in a folder of the engine, which no setting names."""
    with suppress(NotServing):
        if find_serving(environment).about["Managed"]:
            raise Failed(
                f"restore '{source}': the pynet that serves is a managed plugin; disable it, and name the folder of "
                f"its state in {Settings.state_dir.key}"
            )


def _numbers(counts: Counts) -> str:
    return ", ".join(f"{counts.get(kind, 0)} {kind}{'' if counts.get(kind) == 1 else 's'}" for kind in SHOWN)
