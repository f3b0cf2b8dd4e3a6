"""How this pynet came here: the form of its installation, and the commit from which a release was built."""

import json
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

PACKAGE = "pynet"
COMMIT = Path(__file__).with_name("commit")  # ``make release`` writes it; other builds have none
_PACKAGES = {"deb": "Debian package", "rpm": "RPM package"}


def installed() -> Distribution | None:
    """Return the metadata of this installation; ``None`` if it has none."""
    try:
        return distribution(PACKAGE)
    except PackageNotFoundError:
        return None


def form(found: Distribution | None) -> str:
    """Return the form of an installation in words; "" if its metadata does not tell.

    Packages of distributions name themselves in INSTALLER, and pip notes where it got a clone (PEP 376, PEP 610).
    """
    if found is None:
        return ""
    installer = (found.read_text("INSTALLER") or "").strip()
    source = json.loads(found.read_text("direct_url.json") or "{}")
    if source.get("dir_info", {}).get("editable"):
        return "clone"
    return _PACKAGES.get(installer, f"installed by {installer}" if installer else "")


def commit(file: Path = COMMIT) -> str:
    """Return the commit of a release; "" for other builds."""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""
