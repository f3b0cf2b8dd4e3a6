"""The documents agree with the code."""

from pathlib import Path

import pytest

from cli.settings import SETTINGS
from plugin.network_options import NETWORK_OPTIONS
from plugin.options import option_table

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize(
    ("name", "table"),
    [("options", option_table(NETWORK_OPTIONS)), ("settings", option_table(SETTINGS).replace("| option", "| setting"))],
)
def test_the_tables_of_the_readme_are_true(name: str, table: str) -> None:
    """They are what ``pynet options`` and ``pynet settings`` print."""
    text = README.read_text()

    assert text.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0] == f"\n{table}\n\n"
