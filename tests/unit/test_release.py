"""The release: what it refuses, its notes, and how two builds are compared."""

from pathlib import Path

import pytest

from tools.package.facts import Facts, read_facts
from tools.package.notes import notes_of
from tools.package.release import differences, obstacle

CHANGELOG = "# Changelog\n\n## 1.1 (2026-01-02)\n\n- New.\n\n### Fixed\n\n- Old.\n\n## 1.0 (2025-01-02)\n\n- First.\n"
NEXT = Facts("99.0", "summary", "us <us@example>", 0)


def test_the_notes_of_a_release_are_its_section() -> None:
    """Only the newest version has notes, with all parts; a head without a date, or of another version, is refused."""
    assert notes_of("1.1", CHANGELOG) == "# pynet 1.1 (2026-01-02)\n\n- New.\n\n### Fixed\n\n- Old.\n"
    for version in ("1.0", "1.2", "1"):
        with pytest.raises(ValueError, match=r"must be '.+ \(YYYY-MM-DD\)', not '1.1 \(2026-01-02\)'"):
            notes_of(version, CHANGELOG)
    with pytest.raises(ValueError, match="not 'Unreleased'"):
        notes_of("1.1", CHANGELOG.replace("1.1 (2026-01-02)", "Unreleased"))
    with pytest.raises(ValueError, match="not nothing"):
        notes_of("1.1", "")


def test_a_release_is_refused_with_a_reason() -> None:
    """Changes that are not committed, a missing program, and a version without notes."""
    assert "not committed: cli/main.py" in obstacle(NEXT, "cli/main.py", [])
    assert "'rpmbuild' (Debian: rpm)" in obstacle(NEXT, "", ["rpmbuild"])
    assert "must be '99.0 (YYYY-MM-DD)'" in obstacle(NEXT, "", [])


def test_a_file_that_differs_or_is_missing_is_named(tmp_path: Path) -> None:
    """Two folders are compared in both directions."""
    for folder, names in (("one", "abc"), ("two", "abd")):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(name)
    assert differences(tmp_path / "one", tmp_path / "two") == ["c", "d"]
    (tmp_path / "two/a").write_text("other")
    assert differences(tmp_path / "one", tmp_path / "two") == ["a", "c", "d"]


def test_the_documents_name_the_version() -> None:
    """The version of setup.cfg is the one of the commands in docs/service.md."""
    service = (Path(__file__).parents[2] / "docs/service.md").read_text()
    assert f"pynet_{read_facts().version}-1_all.deb" in service
