"""``docs/licences.md``: the licences of the Python packages that pynet installs, from the virtual environment.

python3 -m tools.plugin.licences
"""

import re
from email import message_from_string
from importlib import metadata
from pathlib import Path

from tools.plugin.bill import licence_of

REPOSITORY = Path(__file__).parents[2]
FILE, LOCK = REPOSITORY / "docs/licences.md", REPOSITORY / "requirements.lock"
HEAD = """# Licences

pynet is under the Apache License 2.0. Every form of installation brings these Python packages; `make lint` writes the
table from their metadata.

| package | version | licence |
|---|---|---|
"""
TAIL = """
The managed plugin also contains parts of Debian packages (Python, glibc, OpenSSL, SQLite, libnftables and their
dependencies). In its root file system `/usr/share/pynet/sbom.cdx.json` (CycloneDX) lists every package with version and
licence, and `/usr/share/pynet/licences.txt` has the texts.
"""
BUILD_ONLY = {"setuptools"}


def pins() -> dict[str, str]:
    """Return the versions of the packages in the lock file, by name."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK.read_text(), re.MULTILINE))


def text() -> str:
    """Return the file's text."""
    rows = [f"| {name} | {version} | {_licence(name)} |" for name, version in pins().items() if name not in BUILD_ONLY]
    return HEAD + "\n".join(rows) + "\n" + TAIL


def _licence(name: str) -> str:
    return licence_of(message_from_string(metadata.distribution(name).read_text("METADATA") or ""))


if __name__ == "__main__":
    FILE.write_text(text())
