"""``pynet backup`` and ``pynet restore``: what they do and what they say about it."""

from pathlib import Path

from cli.settings import Settings
from plugin.errors import Conflict, Failed
from plugin.kinds import KINDS
from plugin.store.backup import Counts, back_up, restore
from plugin.store.lockfile import lock_state

SHOWN = ("network", "endpoint", "pool", "lease")


def backup_to(settings: Settings, target: Path) -> str:
    """Write a backup and return the sentence about it; raises ``PynetError``."""
    counts = back_up(settings.database, target)
    return f"backup '{target}' written: {_numbers(counts)}"


def restore_from(settings: Settings, source: Path) -> str:
    """Put a backup in the place of the store and return the sentence about it; raises ``PynetError``."""
    try:
        lock = lock_state(settings.state_dir, timeout=0)
    except Conflict as error:
        raise Failed(f"restore '{source}': stop pynet first ({error})") from error
    try:
        done = restore(source, settings.database, KINDS)
    finally:
        lock.release()
    before = f"; the store that was there is '{done.set_aside}'" if done.set_aside else ""
    return f"restored from '{source}': {_numbers(done.counts)}{before}; start pynet to bring the host in line"


def _numbers(counts: Counts) -> str:
    return ", ".join(f"{counts.get(kind, 0)} {kind}{'' if counts.get(kind) == 1 else 's'}" for kind in SHOWN)
