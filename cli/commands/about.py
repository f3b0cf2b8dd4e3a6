"""``pynet settings``: the settings in force, and the table of all settings."""

from collections.abc import Mapping
from typing import Any

from cli.settings import SETTINGS
from plugin.options.option import option_table


def as_text(about: Mapping[str, Any]) -> str:
    """Return the settings in the reply to Pynet.About, with a mark on those that are set, and the table of all."""
    lines = [
        f"{setting['Key']}={setting['Value']}" + ("" if setting["Origin"] == "default" else "    # set")
        for setting in about["Settings"]
    ]
    return "\n".join([*lines, "", option_table(SETTINGS).replace("| option |", "| setting |")])
