"""Writes the option and setting tables of README.md from their declarations (``make lint`` calls it)."""

from pathlib import Path

from cli.settings import SETTINGS
from plugin.modes.registry import network_options
from plugin.options.network import EndpointSettings
from plugin.options.option import option_table

README = Path(__file__).parents[1] / "README.md"


def main() -> None:
    """Replace the text between the markers."""
    text = README.read_text()
    tables = {
        "options": option_table(network_options()),
        "endpoint options": option_table(EndpointSettings.options()),
        "settings": option_table(SETTINGS).replace("| option", "| setting"),
    }
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table}\n\n{end}{rest.partition(end)[2]}"
    README.write_text(text)


if __name__ == "__main__":
    main()
