"""The parts of the packages: licences of what they bring, and how an installation says what it is."""

import json
import re
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from cli.commands.version import as_text
from cli.installation import commit, form
from tools.package import notices
from tools.plugin.licences import BUILD_ONLY, pins

SITE = Path(pytest.__file__).parents[1]


def test_the_copyright_file_names_every_package_and_its_files() -> None:
    """Each package of the lock file has its files, its holders and a licence whose text is there."""
    stanzas = notices.text(SITE, "us").split("\n\n")
    texts = {line.removeprefix("License: ") for line in stanzas if line.startswith("License: ")}
    for name in pins().keys() - BUILD_ONLY:
        folder = rf"usr/lib/pynet/python/{name.replace('-', '_')}-[\d.]+dist-info/\*$"
        [stanza] = [text for text in stanzas if re.search(folder, text, re.MULTILINE)]
        licence = re.search(r"^Copyright: .+\n(?: .+\n)*License: (.+)(\n .+)?", stanza, re.MULTILINE)
        assert licence is not None, stanza
        assert licence[2] or {part.partition("\n")[0] for part in texts} >= set(licence[1].split(" or "))


def dist(folder: Path, **files: str) -> Distribution:
    """Return an installation whose metadata has these files."""
    for name, text in files.items():
        folder.joinpath(name).write_text(text)
    return PathDistribution(folder)


def test_an_installation_says_what_it_is(tmp_path: Path) -> None:
    """A package of a distribution, a clone, pip, and metadata that does not tell."""
    assert form(None) == form(dist(tmp_path)) == ""
    assert form(dist(tmp_path, INSTALLER="deb\n")) == "Debian package"
    assert form(dist(tmp_path, INSTALLER="pip\n")) == "installed by pip"
    source = json.dumps({"url": "file:///pynet", "dir_info": {"editable": True}})
    assert form(PathDistribution(_with(tmp_path, "direct_url.json", source))) == "clone"


def _with(folder: Path, name: str, text: str) -> Path:
    folder.joinpath(name).write_text(text)
    return folder


def test_a_release_names_its_commit(tmp_path: Path) -> None:
    """Only a release has the file; ``pynet version`` shows form and commit behind the version."""
    assert commit(tmp_path / "commit") == ""
    found = {"command": "0.2.0", "form": "Debian package", "serving": "", "engine": "", "kernel": "6.1"}
    shown = as_text(found | {"commit": commit(_with(tmp_path, "commit", f"{'a' * 40}\n") / "commit")})
    assert "0.2.0 (Debian package, commit aaaaaaaaaaaa)" in shown
    assert "0.2.0 (Debian package)" in as_text(found | {"commit": ""})
