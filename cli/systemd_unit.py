"""The packaged unit of pynet, ``packaging/systemd/pynet.service``, on this host: is it there, and its settings.

It reads its settings from a file (``EnvironmentFile=``).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from plugin.errors import Failed

UNIT = "pynet.service"
FOLDERS = tuple(map(Path, ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")))
FILE = Path("/etc/default/pynet")
SYSTEMD = Path("/run/systemd/system")  # exists while systemd is process 1, sd_booted(3)
_QUOTED = re.compile(r"""(["'])(.*)\1""", re.DOTALL)


def unit_installed(folders: Sequence[Path] = FOLDERS) -> bool:
    """Return whether the service manager has the unit, and it is not masked."""
    found = next(
        (folder / UNIT for folder in folders if (folder / UNIT).is_symlink() or (folder / UNIT).exists()), None
    )
    return found is not None and found.resolve() != Path("/dev/null")


def how_to_start(folders: Sequence[Path] = FOLDERS, systemd: Path = SYSTEMD) -> str:
    """Return the command that starts pynet on this host: systemctl where the unit is installed and systemd runs."""
    if systemd.is_dir() and unit_installed(folders):
        return f"start it with 'systemctl start {UNIT}'"
    return "start it with 'pynet serve' as root, or the managed plugin with 'docker plugin enable'"


def read_environment_file(text: str) -> dict[str, str]:
    """Read the text as systemd does, see systemd.exec(5): comments, quotes, and lines that a backslash joins."""
    found = {}
    for line in text.replace("\\\n", "").splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and key[0:1] not in ("", "#", ";"):
            found[key.rstrip()] = _value(value.strip())
    return found


def _value(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        return re.sub(r"\\(.)", r"\1", text)
    return quoted[2] if quoted[1] == "'" else re.sub(r'\\(["\\`$])', r"\1", quoted[2])


def unit_settings(file: Path = FILE, folders: Sequence[Path] = FOLDERS) -> Mapping[str, str]:
    """Return the settings that the unit would start pynet with; empty where there is no unit or no file.

    Raises:
        Failed: the file cannot be read.
    """
    if not unit_installed(folders):
        return {}
    try:
        return read_environment_file(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Failed(f"read settings of the service in '{file}': {reason.lower()}") from error


def place_of(key: str, value: str, file: Path = FILE) -> str:
    """Return " (in 'FILE')" when the file sets ``key`` to ``value``, and "" otherwise."""
    try:
        found = read_environment_file(file.read_text())
    except (OSError, UnicodeDecodeError):
        return ""
    return f" (in '{file}')" if found.get(key) == value else ""
