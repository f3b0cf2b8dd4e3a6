"""``pynet options``: the options that users give to Docker for a network or for a container's endpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.tables import as_wrapped_table
from plugin.modes.registry import network_options
from plugin.options.network import EndpointSettings
from plugin.options.option import Option, default_text, plain

_HEADS = {
    "network": "Options of a network: docker network create --opt OPTION=VALUE",
    "endpoint": "Options of a container: docker network connect --driver-opt OPTION=VALUE",
}

_COLUMNS = ("OPTION", "DEFAULT", "MEANING")


def option_rows() -> list[dict[str, str]]:
    """Return a row for each option; ``scope`` is "network" or "endpoint"."""
    declared = {"network": network_options(), "endpoint": EndpointSettings.options()}
    return [_row(scope, option) for scope, options in declared.items() for option in options]


def as_text(rows: Sequence[Mapping[str, str]]) -> str:
    """Return the rows for people."""
    parts = []
    for scope, head in _HEADS.items():
        own = [row for row in rows if row["scope"] == scope]
        lines = [[row["key"], row["default"] or "-", f"{row['meaning']} ({row['legal']})"] for row in own]
        parts.append(f"{head}\n\n{as_wrapped_table([_COLUMNS, *lines])}")
    return "\n\n".join(parts)


def _row(scope: str, option: Option[Any]) -> dict[str, str]:
    row = {"scope": scope, "key": option.key, "default": default_text(option.default)}
    return row | {"legal": plain(option.legal), "meaning": plain(option.help)}
