"""The documents agree with the code."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.exit_codes import MEANINGS
from cli.main import main
from plugin.doctor.checks import CHECKS, GUIDE
from plugin.modes.registry import network_options
from plugin.options.network import EndpointSettings
from tools.option_tables import REFERENCE, filled, tables

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
MADE = ("bench/results",)  # by a command


@pytest.mark.parametrize(("page", "name"), [(page, name) for page, named in tables().items() for name in named])
def test_the_tables_of_the_reference_are_true(page: str, name: str) -> None:
    """The reference's tables are the output of ``pynet options`` and ``pynet settings``."""
    text = (REFERENCE / page).read_text()

    assert f"<!-- {name} -->\n" in text
    assert filled(text, name, tables()[page][name]) == text


def test_the_help_has_every_exit_code() -> None:
    """The end of ``pynet --help`` has the table of docs/reference/exit-codes.md."""
    shown = CliRunner().invoke(main, ["--help"], terminal_width=400).output

    for code, meaning in MEANINGS.items():
        assert re.search(rf"^ +{code} +{re.escape(meaning[:20])}", shown, re.MULTILINE)


def test_each_check_of_the_doctor_is_explained() -> None:
    """A finding names a place in the page about troubleshooting: a heading for each check, in the same order."""
    page = (ROOT / GUIDE).read_text().partition("## Checks of pynet doctor\n")[2].partition("\n## ")[0]

    assert re.findall(r"^### (\S+)$", page, re.MULTILINE) == list(CHECKS)


def test_the_examples_use_options_that_exist() -> None:
    """Every key of the Compose files is declared, and most of those declared are shown."""
    text = "".join(path.read_text() for path in EXAMPLES.glob("*.yaml"))
    used = set(re.findall(r"^ +((?:com\.docker|pynet)\.[\w.]+):", text, re.MULTILINE))
    declared = {option.key for option in (*network_options(), *EndpointSettings.options())}

    assert used <= declared
    assert len(used) * 2 > len(declared)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_containers_have_names_that_docker_takes(document: Path) -> None:
    """Container names in documents are ones that Docker accepts (moby daemon/names: RestrictedNameChars)."""
    names = re.findall(r"^docker run .*--name (\S+)", document.read_text(), re.MULTILINE)

    assert all(re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name) for name in names), names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_documents_name_exist(document: Path) -> None:
    """Every path of the tree in a document leads to a file or a folder; NAME is a placeholder."""
    folders = "cli|handlers|plugin|netlink|spec|tests|tools|bench|packaging|examples|docs"
    named = re.findall(rf"`((?:{folders})/[\w./*-]+)`", document.read_text())
    real = [path for path in named if "NAME" not in path and not path.startswith(MADE)]

    assert [path for path in real if not list(ROOT.glob(path.rstrip("/")))] == []


def test_the_architecture_names_every_room() -> None:
    """A room that is added, renamed or removed changes docs/architecture.md."""
    rows = re.findall(r"^\| `plugin/([\w.]+)/?`", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    rooms = {path.name for path in (ROOT / "plugin").iterdir() if not path.name.startswith("__")}

    assert sorted(rows) == sorted(rooms)
