"""The manual pages are made from the texts of the help."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from cli.command_line import ENVIRONMENT, Command
from cli.exit_codes import MEANINGS
from cli.main import main
from tools.manpages import pages

PAGES = dict(pages(main))


def test_every_command_has_a_page() -> None:
    """Groups have one too, which names the commands in it."""
    assert {"pynet", "pynet-ps", "pynet-network", "pynet-network-ls", "pynet-cluster-forget"} <= PAGES.keys()
    assert ".B inspect\nPrint everything about NETWORKS" in PAGES["pynet-network"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_both_help_options(name: str) -> None:
    """And the command still knows both: it keeps the names of the first context that asked for them."""
    assert "\\-h, \\-\\-help\n" in PAGES[name]
    assert CliRunner().invoke(main, [*name.split("-")[1:], "-h"]).exit_code == 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_whole_sentences(name: str) -> None:
    """Its description ends with a full stop, and nothing in it begins a line that roff would take for a request."""
    text = PAGES[name].split(".SH DESCRIPTION\n")[1].split("\n.SH")[0]

    assert text.endswith(".")
    assert not [line for line in PAGES[name].splitlines() if line.startswith("'")]


def test_examples_and_backslashes_are_printed_as_they_are() -> None:
    """Roff takes a backslash for an escape and a dash for a hyphen."""
    command = Command("x", help="Print a\\tb.", examples=["x --format a\\tb"])
    (_, text), = pages(command)  # fmt: skip

    assert ".nf\nx \\-\\-format a\\etb\n.fi" in text


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_the_exit_codes_and_the_environment(name: str) -> None:
    """All codes are in each page, as a reader of one page looks into no other."""
    text = PAGES[name]

    assert [code for code in MEANINGS if f"\n.TP\n.B {code}\n" not in text] == []
    assert [variable for variable in ENVIRONMENT if f"\n.B {variable}\n" not in text] == []


def every(command: click.Command, words: str = "pynet") -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its name."""
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from every(below, f"{words} {name}")


@pytest.mark.parametrize(("name", "command"), list(every(main)), ids=str)
def test_help_is_whole_sentences_within_eighty_columns(name: str, command: click.Command) -> None:
    """Nothing is cut, each text about a command or an option ends with a full stop, and each command has an example."""
    shown = CliRunner().invoke(main, [*name.split()[1:], "--help"], terminal_width=80).output
    texts = [command.help or "", *(param.help or "." for param in command.params if isinstance(param, click.Option))]

    assert [text for text in texts if not text.rstrip().endswith(".")] == []
    assert "..." not in shown.replace("[OPTIONS] COMMAND [ARGS]...", "").replace("S...", "")
    assert [line for line in shown.splitlines() if len(line) > 80 and not line.startswith("  pynet")] == []
    assert isinstance(command, click.Group) or "Examples:" in shown
