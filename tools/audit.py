"""Known weaknesses of the locked packages, as the package index tells them (its JSON API, "vulnerabilities").

    python3 -m tools.audit [LOCK-FILE ...]

Ends with 0 when none is known, 1 when some are, 2 when the index cannot be asked.
"""

import http.client
import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PATIENCE = 20.0  # seconds an answer
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-docs.lock")
FOUND, UNKNOWN = 1, 2

Ask = Callable[[str, str], dict[str, Any]]


def main(locks: list[str], ask: Ask | None = None) -> int:
    """Print one line a weakness, or one sentence; return the exit code."""
    packages = sorted({pin for lock in locks for pin in pins(Path(lock).read_text())})
    try:
        lines = [line for name, version in packages for line in weaknesses(name, version, ask or ask_index)]
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(f"audit: nothing is known: the package index cannot be asked: {error}", file=sys.stderr)
        return UNKNOWN
    print("\n".join(lines) or f"audit: no weakness is known of {len(packages)} packages")
    return FOUND if lines else 0


def pins(lock: str) -> Iterator[tuple[str, str]]:
    """Yield the name and version of every package in a lock file."""
    yield from re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\]+)", lock, re.MULTILINE)


def weaknesses(name: str, version: str, ask: Ask) -> Iterator[str]:
    """Yield a line for every weakness that is known and not withdrawn."""
    for entry in ask(name, version).get("vulnerabilities", []):
        if entry.get("withdrawn"):
            continue
        names = ", ".join([entry["id"], *entry.get("aliases", [])])
        mended = ", ".join(entry.get("fixed_in", [])) or "no release so far"
        summary = entry.get("summary") or entry.get("details", "").partition("\n")[0]
        yield f"{name} {version}: {names}: {summary} (mended in {mended})"


def ask_index(name: str, version: str) -> dict[str, Any]:
    """Return the answer of pip's index about a release; raises ``OSError`` if it does not answer."""
    from pip._internal.models.index import PyPI

    try:
        with urllib.request.urlopen(f"{PyPI.pypi_url}/{name}/{version}/json", timeout=PATIENCE) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.URLError as error:
        raise OSError(f"{name} {version}: {error}") from error
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(LOCKS)))
