"""Reads the settings of the packaged unit for ``pynet doctor``: the good ones, and a sentence for each bad one."""

from collections.abc import Mapping
from pathlib import Path

from cli.settings import Settings, read_settings
from cli.systemd_unit import FILE, read_environment_file
from plugin.errors import InvalidRequest

HERE = "the environment"

Complaints = tuple[tuple[str, str], ...]  # place, sentence


def settings_and_complaints(environment: Mapping[str, str], file: Path = FILE) -> tuple[Settings, Complaints]:
    """Return the good settings, and complaints about bad ones; the environment goes before the file."""
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
    """Return the variables that the unit would read; empty where there is no readable file."""
    try:
        return read_environment_file(file.read_text(errors="replace"))
    except OSError:
        return {}
