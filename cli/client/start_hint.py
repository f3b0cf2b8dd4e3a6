"""How pynet is started on this host, as words for whoever finds that it does not run."""

from collections.abc import Sequence
from pathlib import Path

UNIT = "pynet.service"
UNIT_FOLDERS = tuple(map(Path, ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")))
SYSTEMD = Path("/run/systemd/system")  # is there while systemd is process 1, sd_booted(3)


def unit_installed(folders: Sequence[Path] = UNIT_FOLDERS) -> bool:
    """Say whether the service manager knows pynet; one that is masked it does not."""
    found = next(
        (folder / UNIT for folder in folders if (folder / UNIT).is_symlink() or (folder / UNIT).exists()), None
    )
    return found is not None and found.resolve() != Path("/dev/null")


def how_to_start(folders: Sequence[Path] = UNIT_FOLDERS, systemd: Path = SYSTEMD) -> str:
    """Return what starts it: the unit where there is one and systemd runs."""
    if systemd.is_dir() and unit_installed(folders):
        return f"start it with 'systemctl start {UNIT}'"
    return "start it with 'pynet serve' as root, or the managed plugin with 'docker plugin enable'"
