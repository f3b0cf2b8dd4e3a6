"""The file for node_exporter, without a running pynet."""

from pathlib import Path

import pytest

from cli.commands.metrics import check_file, write_file
from cli.exit_codes import exit_code
from plugin.errors import PynetError


@pytest.mark.parametrize(
    ("file", "code", "sentence"),
    [
        ("pynet.txt", 64, "node_exporter reads files whose names end with .prom"),
        ("pynet", 64, "node_exporter reads files whose names end with .prom"),
        ("missing/pynet.prom", 74, "no such file or directory"),
        ("folder.prom", 74, "is a directory"),
    ],
)
def test_a_bad_file_is_a_sentence(tmp_path: Path, file: str, code: int, sentence: str) -> None:
    """Each bad path has a sentence and the exit code of its kind, and nothing is left beside it."""
    (tmp_path / "folder.prom").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(PynetError, match=f"^write metrics to '{tmp_path / file}': {sentence}$") as refused:
        check_file(tmp_path / file)
        write_file(tmp_path / file, "a 1\n")

    assert exit_code(refused.value) == code
    assert sorted(tmp_path.iterdir()) == before


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Whoever may write the folder cannot make root write somewhere else."""
    victim, file = tmp_path / "victim", tmp_path / "pynet.prom"
    victim.write_text("mine")
    file.symlink_to(victim)
    write_file(file, "a 1\n")

    assert (victim.read_text(), file.read_text(), file.is_symlink()) == ("mine", "a 1\n", False)
