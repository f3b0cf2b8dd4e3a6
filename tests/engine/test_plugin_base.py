"""The base of the managed plugin that is made from packages, with the real apt of this machine."""

import re
from pathlib import Path

import pytest

from tools.plugin import base


def test_what_lies_in_the_cache_of_apt_belongs_to_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that was installed a moment ago has every package there; the base and its name are the same."""
    empty, _ = base.packages()
    (tmp_path / "full").mkdir()
    for name, size in base.NAMED.findall(base.packages()[1]):
        with (tmp_path / "full" / name).open("wb") as package:
            package.truncate(int(size))  # apt looks at names and sizes
    (tmp_path / "apt.conf").write_text(f'Dir::Cache::archives "{tmp_path}/full";\n')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))

    assert len(empty) > 30
    assert base.packages()[0] == empty


def test_why_there_are_no_packages_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where apt knows no archive its own complaint is passed on."""
    nowhere = {
        "Dir::State": tmp_path,
        "Dir::Cache": tmp_path,
        "Dir::Etc::sourcelist": "-",
        "Dir::Etc::sourceparts": "-",
    }
    (tmp_path / "lists/partial").mkdir(parents=True)
    (tmp_path / "apt.conf").write_text("".join(f'{key} "{value}";\n' for key, value in nowhere.items()))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    names, complaint = base.packages()

    assert not names
    assert re.search(r"E: .*python3", complaint)
