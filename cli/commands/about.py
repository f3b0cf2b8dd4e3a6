"""``pynet settings``: the settings of the running pynet, and their meanings."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.settings import SETTINGS
from cli.tables import as_wrapped_table
from plugin.options.option import default_text, plain


def setting_rows(about: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return a row for each setting in the reply to the verb About; one of a newer pynet has no meaning here."""
    known = {setting.key: setting for setting in SETTINGS}
    rows = []
    for each in about["Settings"]:
        setting = known.get(each["Key"])
        row = {"key": each["Key"], "value": each["Value"], "origin": each["Origin"]}
        row["default"] = default_text(setting.default) if setting else ""
        row |= {"legal": setting.legal if setting else "", "meaning": plain(setting.help) if setting else ""}
        rows.append(row)
    return rows


def as_text(rows: Sequence[Mapping[str, str]]) -> str:
    """Return the rows for people."""
    lines = [["SETTING", "VALUE", "FROM", "MEANING"]]
    for row in rows:
        meaning = f"{row['meaning']} ({row['legal']})" if row["legal"] else "-"
        lines.append([row["key"], row["value"] or "-", row["origin"], meaning])
    return as_wrapped_table(lines)
