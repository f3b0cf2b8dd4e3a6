"""The documents are a site as well, with the same links, and pictures made from source."""

from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest

from cli.main import main
from tools.manual import entries
from tools.site.commands import with_reference
from tools.site.dialects import differences
from tools.site.drawing import Arrow, Box, Picture
from tools.site.first_run import commands
from tools.site.links import LINK, PUBLISHED, loaded_from_elsewhere, with_links_of_site
from tools.site.pictures import FOLDER, PICTURES, TRANSCRIPT, files
from tools.site.terminal import PROMPT

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*map(ROOT.joinpath, PUBLISHED), *sorted((ROOT / "docs").rglob("*.md"))]


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


@pytest.mark.parametrize(
    ("html", "addresses"),
    [
        ('<script src="https://example.org/x.js"></script>', ["https://example.org/x.js"]),
        ('<link rel="stylesheet" href="//example.org/x.css">', ["//example.org/x.css"]),
        ('<link rel="canonical" href="https://example.org/">', []),
        ('<a href="https://example.org/">x</a><script src="../assets/x.js"></script>', []),
    ],
)
def test_what_the_site_would_load_over_the_network_is_found(html: str, addresses: list[str]) -> None:
    """Links to other sites are none of it."""
    assert loaded_from_elsewhere(html) == addresses


def test_the_readme_links_to_files_that_exist() -> None:
    """The strict build does not see the README, as the site has a home page of its own."""
    targets = LINK.findall((ROOT / "README.md").read_text())

    assert len(targets) > 10
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_reference_has_every_command() -> None:
    """Groups have a section too, which links to the commands in it."""
    text = with_reference((ROOT / "docs/reference/commands.md").read_text(), main)

    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [
        " ".join(entry.words) for entry in entries(main)
    ]
    assert "| [ls](#pynet-network-ls) | Print a line for each network" in text
    assert "The site, which" not in text


def test_texts_of_the_help_mean_nothing_in_markdown() -> None:
    """Stars, pipes and angles are printed, and doubled backticks are code."""
    command = click.Command("x", help="Print <a>|b* of ``c_d``.")

    assert "\nPrint \\<a>\\|b\\* of `c_d`.\n" in with_reference("<!-- commands -->\n<!-- /commands -->\n", command)


@pytest.mark.parametrize("name", files())
def test_pictures_are_drawn_from_their_source(name: str) -> None:
    """``make lint`` draws them; each has a title and a description for readers who cannot see it."""
    text = (FOLDER / name).read_text()
    title, description = list(ET.fromstring(text))[:2]

    assert text == files()[name]
    assert title.text
    assert len(description.text or "") > len(title.text)


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_texts_fit_into_their_boxes_and_all_into_the_picture(picture: Picture) -> None:
    """A longer text, or a box that is moved too far, is noticed."""
    boxes = [shape for shape in picture.shapes if isinstance(shape, Box)]
    points = [point for shape in picture.shapes if isinstance(shape, Arrow) for point in shape.points]

    assert [box.too_wide() for box in boxes if box.too_wide()] == []
    assert all(box.x + box.width <= picture.width and box.y + box.height <= picture.height for box in boxes)
    assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in points)


def test_the_first_run_shows_the_commands_of_the_readme() -> None:
    """Commands that change need a new recording (``make docs-recording``)."""
    lines = TRANSCRIPT.read_text().splitlines()

    assert [line.removeprefix(PROMPT) for line in lines if line.startswith(PROMPT)] == commands()
    assert any(line.endswith(" 0% packet loss") for line in lines)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_site_and_a_code_host_read_the_same_text(document: Path) -> None:
    """Lists and what is in them are written so that both kinds of Markdown see them."""
    assert list(differences(document.read_text())) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("* one\n\n  | a | b |\n  |---|---|\n", ["line 3: indent it by four blanks, not by 2"]),
        ("* one\n  * two\n", ["line 2: indent it by four blanks, not by 2"]),
        ("Two:\n* one\n", ["line 2: put an empty line before the list"]),
        ("Two:\n\n* one\n  goes on\n\n    | a | b |\n    |---|---|\n", []),
        ("```\n* one\n  * two\n```\n", []),
    ],
)
def test_text_that_the_two_read_differently_is_named(text: str, said: list[str]) -> None:
    """A code host needs two blanks where the site needs four, and no line before a list."""
    assert list(differences(text)) == said
