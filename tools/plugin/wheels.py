"""The packages of the lock file as wheels in ``build/wheels``, for a build without a network."""

import hashlib
import shutil
import sys
from pathlib import Path

from tools.plugin.shell import run

REPOSITORY = Path(__file__).parents[2]
LOCK, FOLDER, STAMP = (REPOSITORY / name for name in ("requirements.lock", "build/wheels", "build/wheels.stamp"))


def fetch(pip: Path, python: str) -> None:
    """Fill the folder by the lock file, hashes checked, for Python ``python`` ("3.11"), once."""
    key = hashlib.sha256(LOCK.read_bytes() + python.encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == key:
        return
    part = FOLDER.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    words = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:")
    wish = ("--python-version", python, "--dest", part, "-r", LOCK)
    run(sys.executable, f"{pip}/pip", "download", *words, *wish)
    shutil.rmtree(FOLDER, ignore_errors=True)
    part.rename(FOLDER)
    STAMP.write_text(key)
