"""Writes the tables of docs/reference from the declarations in the code (``make lint`` calls it)."""

from pathlib import Path

from cli.exit_codes import table as exit_codes
from cli.settings import SETTINGS
from plugin.firewall.reasons import reason_table
from plugin.modes.registry import network_options
from plugin.observe.metrics import metrics_table
from plugin.options.network import EndpointSettings
from plugin.options.option import option_table

REFERENCE = Path(__file__).parents[1] / "docs/reference"


def tables() -> dict[str, dict[str, str]]:
    """Return the tables of each page, by the names of their markers."""
    return {
        "options.md": {
            "options": option_table(network_options(), live=True),
            "endpoint options": option_table(EndpointSettings.options(), live=True),
        },
        "settings.md": {"settings": option_table(SETTINGS).replace("| option", "| setting")},
        "metrics.md": {"metrics": metrics_table()},
        "exit-codes.md": {"exit codes": exit_codes()},
        "drop-reasons.md": {"reasons": reason_table()},
    }


def filled(text: str, name: str, table: str) -> str:
    """Return the text with the table between the markers of that name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{table}\n\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Write each table into its page."""
    for page, named in tables().items():
        text = (REFERENCE / page).read_text()
        for name, table in named.items():
            text = filled(text, name, table)
        (REFERENCE / page).write_text(text)


if __name__ == "__main__":
    main()
