"""``make audit`` with an index of a test's own."""

from typing import Any

import pytest

from tools.audit import FOUND, UNKNOWN, main

LOCK = "flask==3.1.3 \\\n    --hash=sha256:00\nclick==8.5.1 \\\n    --hash=sha256:11\n"


@pytest.fixture
def lock(tmp_path: Any) -> str:
    """Return the path of a lock file with two packages."""
    (tmp_path / "requirements.lock").write_text(LOCK)
    return str(tmp_path / "requirements.lock")


def test_a_known_weakness_is_a_line_and_an_exit_code(lock: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names package, version, weakness and the release that mends it; withdrawn ones are left out."""
    known = {"id": "PYSEC-1", "aliases": ["CVE-2"], "fixed_in": ["3.1.4"], "summary": "reads too much"}
    answers = {"flask": {"vulnerabilities": [known, {"id": "PYSEC-9", "withdrawn": "2026-01-01"}]}}

    assert main([lock], lambda name, _: answers.get(name, {})) == FOUND
    assert capsys.readouterr().out == "flask 3.1.3: PYSEC-1, CVE-2: reads too much (mended in 3.1.4)\n"


def test_nothing_known_is_success(lock: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every package was asked for."""
    asked = []

    def clean(name: str, version: str) -> dict[str, Any]:
        asked.append((name, version))
        return {}

    assert main([lock], clean) == 0
    assert asked == [("click", "8.5.1"), ("flask", "3.1.3")]
    assert "of 2 packages" in capsys.readouterr().out


def test_an_index_that_is_silent_is_no_success(lock: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a network the sentence says that nothing is known."""

    def silent(name: str, _: str) -> dict[str, Any]:
        raise OSError(f"{name}: no route to host")

    assert main([lock], silent) == UNKNOWN
    assert "nothing is known" in capsys.readouterr().err
