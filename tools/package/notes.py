"""The notes of a release, from CHANGELOG.md."""

import re
from pathlib import Path

from tools.package.facts import REPOSITORY

FILE = REPOSITORY / "CHANGELOG.md"


def notes_of(version: str, changelog: str) -> str:
    """Return the section of a version; raises ``ValueError`` without one that has a date and comes first."""
    heads = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    if not heads or not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", heads[0]):
        first = f"'{heads[0]}'" if heads else "nothing"
        raise ValueError(f"the head of CHANGELOG.md must be '{version} (YYYY-MM-DD)', not {first}")
    body = changelog.partition(f"## {heads[0]}\n")[2]
    return f"# pynet {heads[0]}\n{re.split(r'^## ', body, maxsplit=1, flags=re.MULTILINE)[0].rstrip()}\n"


def read_notes(version: str, file: Path = FILE) -> str:
    """Return the section of a version in the file."""
    return notes_of(version, file.read_text())
