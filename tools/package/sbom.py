"""The bill of materials of the packages (CycloneDX, JSON), made by cyclonedx-py from an installed environment."""

import configparser
import hashlib
import json
import shutil
import sys
from pathlib import Path

from tools.package.facts import REPOSITORY, Facts, run

LOCK = REPOSITORY / "requirements-release.lock"
BUILD_ONLY = "setuptools"


def tools() -> Path:
    """Return the folder of programs of the release's own environment, which is made when the lock file is new."""
    venv = REPOSITORY / "build/release" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    if not venv.exists():
        part = venv.with_suffix(".part")
        _make(part, "--require-hashes", "--only-binary", ":all:", "-r", LOCK)
        part.rename(venv)
    return venv / "bin"


def write(target: Path, wheel: Path, facts: Facts, work: Path) -> None:
    """Write the bill of ``wheel`` and of the packages of the lock file, installed below ``work``."""
    venv, project = work / "environment", work / "pyproject.toml"
    _make(venv, "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", "requirements.lock")
    for path in venv.glob(f"lib/python3*/site-packages/{BUILD_ONLY}*"):
        shutil.rmtree(path)
    project.write_text(_project(facts))
    words = ("environment", "--output-reproducible", "--short-PURLs", "--pyproject", project, "-o", target)
    run(tools() / "python", "-m", "cyclonedx_py", *words, venv / "bin/python")
    bill = json.loads(target.read_text())
    digest = {"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}
    bill["metadata"]["component"]["hashes"] = [digest]
    target.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")


def _make(venv: Path, *packages: str | Path) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    pip = (".venv/bin/pip", "--python", venv / "bin/python", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-compile", *packages)


def _project(facts: Facts) -> str:
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg")
    needed = config["options"]["install_requires"].split()
    fields = {
        "name": "pynet",
        "version": facts.version,
        "description": facts.summary,
        "license": config["metadata"]["license"],
        "dependencies": needed,
    }
    return "[project]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items())
