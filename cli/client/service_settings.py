"""The settings of the service, as the packaged unit reads them, for ``pynet doctor``: good ones, and what is bad."""

from collections.abc import Mapping
from pathlib import Path

from cli.settings import Settings, read_settings
from cli.systemd_unit import FILE, read_environment_file
from plugin.errors import InvalidRequest

HERE = "the environment"

Complaints = tuple[tuple[str, str], ...]  # place, sentence


def settings_and_complaints(environment: Mapping[str, str], file: Path = FILE) -> tuple[Settings, Complaints]:
    """Return the settings without the bad ones, the environment's before those of the file, and what is bad."""
    good: dict[str, str] = {}
    complaints: list[tuple[str, str]] = []
    for place, values in ((str(file), _read(file)), (HERE, environment)):
        for key, value in values.items():
            if key.startswith("PYNET_"):
                sentence = _complaint(key, value)
                complaints += [(place, sentence)] if sentence else []
                good |= {} if sentence else {key: value}
    return read_settings(good), tuple(complaints)


def _complaint(key: str, value: str) -> str:
    try:
        read_settings({key: value})
    except InvalidRequest as error:
        return str(error)
    return ""


def _read(file: Path) -> dict[str, str]:
    """Return what the unit would read; nothing where there is no file to read."""
    try:
        return read_environment_file(file.read_text(errors="replace"))
    except OSError:
        return {}
