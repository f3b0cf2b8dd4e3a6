"""``pynet settings``: what is in force, and what there is."""

from collections.abc import Mapping
from typing import Any

from cli.settings import SETTINGS
from plugin.options.option import option_table


def as_text(about: Mapping[str, Any]) -> str:
    """Return the settings of the reply to Pynet.About, those that are set marked, and the documentation table."""
    lines = [
        f"{setting['Key']}={setting['Value']}" + ("" if setting["Origin"] == "default" else "    # set")
        for setting in about["Settings"]
    ]
    return "\n".join([*lines, "", option_table(SETTINGS).replace("| option |", "| setting |")])
