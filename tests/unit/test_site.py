"""The documents are a site as well, with the same links."""

import click
import pytest

from cli.main import main
from tools.manual import entries
from tools.site.commands import MARKER, with_reference
from tools.site.links import with_links_of_site


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("service.md", "reference/settings.md#values", "reference/settings.md#values"),
        ("architecture.md", "../CONTRIBUTING.md", "CONTRIBUTING.md"),
        ("guide/start.md", "../../README.md", "../index.md"),
        ("guide/start.md", "../firewall.md", "../firewall.md"),
        ("CHANGELOG.md", "docs/guide/ports.md", "guide/ports.md"),
        ("spec/README.md", "../docs/protocol.md#locks", "../protocol.md#locks"),
        ("bench.md", "bench.svg", "bench.svg"),
        ("bench.md", "#figures", "#figures"),
        ("bench.md", "https://example.org/docs/x.md", "https://example.org/docs/x.md"),
    ],
)
def test_links_between_files_lead_to_the_same_pages_of_the_site(page: str, link: str, there: str) -> None:
    """The site has ``docs/`` at its root, so links into and out of that folder are made anew."""
    assert with_links_of_site(f"See [this]({link}).", page) == f"See [this]({there})."


def test_the_reference_has_every_command() -> None:
    """Groups have a section too, which links to the commands in it."""
    text = with_reference(f"# Commands\n\n{MARKER}\n", main)

    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [
        " ".join(entry.words) for entry in entries(main)
    ]
    assert "| [ls](#pynet-network-ls) | Print a line for each network" in text
    assert MARKER not in text


def test_texts_of_the_help_mean_nothing_in_markdown() -> None:
    """Stars, pipes and angles are printed, and doubled backticks are code."""
    command = click.Command("x", help="Print <a>|b* of ``c_d``.")

    assert "\nPrint \\<a>\\|b\\* of `c_d`.\n" in with_reference(f"{MARKER}\n", command)
