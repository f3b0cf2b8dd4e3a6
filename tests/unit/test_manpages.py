"""The manual pages are made from the texts of the help."""

import click
import pytest

from cli.main import main
from tools.manpages import pages

PAGES = dict(pages(main))


def test_every_command_has_a_page() -> None:
    """Groups have one too, which names the commands in it."""
    assert {"pynet", "pynet-ps", "pynet-network", "pynet-network-ls", "pynet-cluster-forget"} <= PAGES.keys()
    assert ".B inspect\nPrint everything about NETWORKS" in PAGES["pynet-network"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_whole_sentences(name: str) -> None:
    """Its description ends with a full stop, and nothing in it begins a line that roff would take for a request."""
    text = PAGES[name].split(".SH DESCRIPTION\n")[1].split("\n.SH")[0]

    assert text.endswith(".")
    assert not [line for line in PAGES[name].splitlines() if line.startswith("'")]


def test_examples_and_backslashes_are_printed_as_they_are() -> None:
    """Roff takes a backslash for an escape and a dash for a hyphen."""
    command = click.Command("x", help="Print a\\tb.", epilog="\b\nExamples:\n  x --format a\\tb")
    (_, text), = pages(command)  # fmt: skip

    assert ".nf\nx \\-\\-format a\\etb\n.fi" in text
