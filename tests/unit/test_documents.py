"""The documents agree with the code."""

import re
from pathlib import Path

import pytest

from cli.settings import SETTINGS
from plugin.network_options import NETWORK_OPTIONS
from plugin.options import option_table

ROOT = Path(__file__).parents[2]
README, COMPOSE = ROOT / "README.md", ROOT / "examples/compose.yaml"


@pytest.mark.parametrize(
    ("name", "table"),
    [("options", option_table(NETWORK_OPTIONS)), ("settings", option_table(SETTINGS).replace("| option", "| setting"))],
)
def test_the_tables_of_the_readme_are_true(name: str, table: str) -> None:
    """They are what ``pynet options`` and ``pynet settings`` print."""
    text = README.read_text()

    assert text.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0] == f"\n{table}\n\n"


def test_the_example_uses_options_that_exist() -> None:
    """Every key of the Compose file is declared, and most of those declared are shown."""
    used = set(re.findall(r"^ +((?:com\.docker|pynet)\.[\w.]+):", COMPOSE.read_text(), re.MULTILINE))
    declared = {option.key for option in NETWORK_OPTIONS}

    assert used <= declared
    assert len(used) * 2 > len(declared)
