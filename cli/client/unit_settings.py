"""What the packaged unit reads its settings from: ``EnvironmentFile=`` of ``packaging/systemd/pynet.service``."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.client.start_hint import UNIT_FOLDERS, unit_installed
from plugin.errors import Failed

FILE = Path("/etc/default/pynet")
_QUOTED = re.compile(r"""(["'])(.*)\1""", re.DOTALL)


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


def unit_settings(file: Path = FILE, folders: Sequence[Path] = UNIT_FOLDERS) -> Mapping[str, str]:
    """Return what the unit of this host would be started with; nothing where there is no unit or no file.

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
    """Return " (in 'FILE')" where the file is what sets ``key`` to ``value``, "" where it does not."""
    try:
        found = read_environment_file(file.read_text())
    except (OSError, UnicodeDecodeError):
        return ""
    return f" (in '{file}')" if found.get(key) == value else ""
