"""Facts about pynet that every form of installation needs: version, commit, maintainer, time."""

import configparser
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DIST = REPOSITORY / "dist"


@dataclass(frozen=True, slots=True)
class Facts:
    """``setup.cfg`` says them once; ``epoch`` is the time of the commit in seconds, and the time of every file."""

    version: str
    summary: str
    maintainer: str  # name and address, as Debian writes them
    epoch: int


def read_facts() -> Facts:
    """Return the facts about this tree."""
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg")
    told = config["metadata"]
    return Facts(
        told["version"], told["description"], f"{told['maintainer']} <{told['maintainer_email']}>", commit_time()
    )


def commit_time() -> int:
    """Return the time of the last commit; outside of a repository the first that a zip archive can have."""
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 else 315532800


def run(*argv: str | Path) -> str:
    """Run a command of the build, with the same locale, time and order of sets everywhere; return its output."""
    fixed = {"SOURCE_DATE_EPOCH": str(commit_time()), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    words = [str(word) for word in argv]
    return subprocess.run(
        words, cwd=REPOSITORY, env=os.environ | fixed, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
