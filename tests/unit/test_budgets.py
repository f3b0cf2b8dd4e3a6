"""Lengths of functions, classes and files: each budget can fail."""

from pathlib import Path

import pytest

from tools.budgets import complaints

LONG = "\n".join(["def walk():", *["    pass"] * 40])  # 41 lines
METHODS = "\n".join(["class Kernel:", *(f"    def verb{number}(self): pass" for number in range(21))])
SAMPLES = {
    "function": ("plugin", LONG, "plugin/sample.py:1: function walk has 41 lines; a function has at most 40"),
    "function of a test": ("tests", LONG, "tests/sample.py:1: function walk has 41 lines; a function has at most 40"),
    "class": (
        "netlink",
        "\n".join(["class Kernel:", *["    links = 1"] * 200]),
        "netlink/sample.py:1: class Kernel has 201 lines; a class has at most 200",
    ),
    "methods": ("cli", METHODS, "cli/sample.py:1: class Kernel has 21 methods; a class has at most 20"),
    "file": ("bench", "\n" * 401, "bench/sample.py: 401 lines; a file has at most 400"),
}


def written(root: Path, folder: str, text: str) -> Path:
    """Return ``root`` with one file in it."""
    (root / folder).mkdir()
    (root / folder / "sample.py").write_text(text)
    return root


@pytest.mark.parametrize("what", SAMPLES)
def test_every_budget_can_fail(tmp_path: Path, what: str) -> None:
    """A definition over its budget is named with place, length and budget; one line less is accepted."""
    folder, text, sentence = SAMPLES[what]
    assert complaints(written(tmp_path, folder, text)) == [sentence]

    (tmp_path / folder / "sample.py").write_text(text.rpartition("\n")[0])
    assert complaints(tmp_path) == []


def test_a_public_name_has_one_meaning(tmp_path: Path) -> None:
    """Two classes of one name in two files are refused, but not a protocol and its implementation."""
    root = written(tmp_path, "plugin", "class Look(Protocol): pass\n")
    (root / "plugin/other.py").write_text("class Look: pass\n")
    assert complaints(root) == []

    (root / "plugin/third.py").write_text("class Look: pass\n")
    assert complaints(root) == [
        "class Look is in plugin/other.py and in plugin/third.py; a public name has one meaning"
    ]


def test_classes_of_tests_have_no_budget(tmp_path: Path) -> None:
    """A fake kernel has as many methods as the real one's users call."""
    assert complaints(written(tmp_path, "tests", METHODS)) == []
