"""The pages for users: every command in them is played by a test, and their outputs are compared sensibly."""

import re
from pathlib import Path

import pytest

from plugin.doctor.checks import CHECKS, see
from tests.pages import ENGINE, GUIDE, ROOT, TRIAL, anchor, blocks, prints

PAGES = sorted(GUIDE.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_of_a_page_is_played(page: Path) -> None:
    """Each block names the engine ring, the trial on bare machines, or a test that exists."""
    players = {block.player for block in blocks(page)}

    assert "```console" not in page.read_text()
    assert [one for one in players - {ENGINE, TRIAL} if not one or not (ROOT / one).is_file()] == []
    assert page.read_text().count("<!-- played:") == len(list(blocks(page)))


def test_a_block_belongs_to_its_heading_player_and_output(tmp_path: Path) -> None:
    """The parser finds all four, and tells a block without a player from others."""
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n## What's up?\n\n<!-- played: engine -->\n\n```sh\nls\n```\n\n```text\na\n```\n\n"
        "Or:\n\n```sh\npwd\n```\n\nwhich prints\n\n```text\n/\n```\n"
    )
    first, second = blocks(page)

    assert (first.section, first.player, first.commands, first.output) == ("whats-up", ENGINE, "ls\n", "a\n")
    assert (second.player, second.commands, second.output) == ("", "pwd\n", "")


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("hello", "hello", True),
        ("hello", "hallo", False),
        ("hello", "hello\nyou", False),
        ("a\n…\nz", "a\nb\nc\nz", True),
        ("a\n…\nz", "a\nz", True),
        ("a …: 3", "a container: 3", True),
        ("a …: 3", "a container: 4", False),
        ("seq=0 time=0.148 ms", "seq=0 time=11 ms", True),
        ("PING one (172.18.0.2): 56", "PING one (172.19.0.2): 56", True),
        ("PING one (10.20.0.2): 56", "PING one (10.20.0.3): 56", False),
        ("now  5 seconds ago  Up 4 seconds  one", "now  2 minutes ago  Up About a minute  one", True),
        ("8a8475fe5aec  one", "000000000000        one", True),
    ],
)
def test_output_is_compared_but_for_ids_times_and_chosen_addresses(expected: str, printed: str, same: bool) -> None:
    """Everything else has to be the same text."""
    assert prints(expected, printed) is same


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_make_commands_of_the_trial_are_typed_there(page: Path) -> None:
    """A block that is marked as the trial's has no command of make that tests/trial does not type."""
    typed = "".join(path.read_text() for path in (ROOT / "tests/trial").glob("*.py"))
    marked = "".join(block.commands for block in blocks(page) if block.player == TRIAL)

    assert [one for one in re.findall(r"^make [a-z-]+", marked, re.MULTILINE) if one not in typed] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_make_commands_of_a_page_exist(page: Path) -> None:
    """A user never types a target that the Makefile does not have."""
    named = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set(named) <= set(targets)


def test_every_statement_of_the_comparison_has_its_source() -> None:
    """Each letter behind a statement is in the list of sources, and each source has a statement."""
    statements, _, sources = (GUIDE / "comparison.md").read_text().partition("## How it is known")

    assert set(re.findall(r"\[([a-z])\]", statements)) == set(re.findall(r"^\* \[([a-z])\] ", sources, re.MULTILINE))


def test_the_troubleshooting_page_has_a_place_for_each_check_of_the_doctor() -> None:
    """The link that a finding prints leads to a heading, in the doctor's order, and there are no others."""
    page = ROOT / see("").rstrip("#")
    checks = page.read_text().partition("## Checks of pynet doctor\n")[2]

    assert [anchor(heading) for heading in re.findall(r"^### (.+)$", checks, re.MULTILINE)] == list(CHECKS)
