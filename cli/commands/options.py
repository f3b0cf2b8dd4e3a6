"""``pynet options``: the options that users give to Docker for a network or for a container's endpoint."""

from collections.abc import Sequence
from typing import Any

from cli.listing import Row
from cli.tables import as_wrapped_table, wrapped
from plugin.modes.registry import network_options
from plugin.options.network import EndpointSettings
from plugin.options.option import Option, default_text, plain

_HEADS = {
    "network": "Options of a network: docker network create --opt OPTION=VALUE",
    "endpoint": "Options of a container: docker network connect --driver-opt OPTION=VALUE",
}

_COLUMNS = ("OPTION", "DEFAULT", "CHANGE", "MEANING")
_LIVE = 'CHANGE is "live" for an option that "pynet network set" or "pynet endpoint set" changes while containers run.'


def option_rows() -> list[Row]:
    """Return a row for each option; ``scope`` is "network" or "endpoint", ``live`` whether it can be changed."""
    declared = {"network": network_options(), "endpoint": EndpointSettings.options()}
    return [_row(scope, option) for scope, options in declared.items() for option in options]


def as_text(rows: Sequence[Row]) -> str:
    """Return the rows for people."""
    parts = []
    for scope, head in _HEADS.items():
        own = [row for row in rows if row["scope"] == scope]
        lines = [_line(row) for row in own]
        parts.append(f"{head}\n\n{as_wrapped_table([_COLUMNS, *lines])}")
    return "\n\n".join([*parts, wrapped(_LIVE)])


def _line(row: Row) -> list[str]:
    return [row["key"], row["default"] or "-", "live" if row["live"] else "-", f"{row['meaning']} ({row['legal']})"]


def _row(scope: str, option: Option[Any]) -> Row:
    texts = {"default": default_text(option.default), "legal": plain(option.legal), "meaning": plain(option.help)}
    return {"scope": scope, "key": option.key, "live": option.live, **texts}
