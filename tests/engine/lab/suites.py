"""Packages of other Debian suites, unpacked into a cache beside the system instead of installed into it."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.engine.lab.shell import CommandFailed, run

ARCHIVE = "http://archive.debian.org/debian"  # where suites go when their time is over


class Unavailable(Exception):
    """A program cannot be had on this machine; the text says why."""


def unpacked(suite: str, *packages: str, name: str = "") -> Path:
    """Return the folder ``name``, by default ``suite``, with these packages of a suite, downloaded on first use.

    Raises:
        Unavailable: they are not to be had from the Debian archive.
    """
    tree = cache_folder() / (name or suite)
    with _locked(tree.with_suffix(".lock")):
        if not tree.exists():
            _fetch(suite, packages, tree)
    return tree


def cache_folder() -> Path:
    """Where unpacked packages are kept: outside the repository, so that a fresh checkout need not fetch them again."""
    named = os.environ.get("PYNET_ENGINE_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "pynet-engines"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fetch(suite: str, packages: tuple[str, ...], tree: Path) -> None:
    what = f"{' '.join(packages)} of Debian {suite}"
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unavailable(f"{what}: this machine has no apt-get and dpkg-deb")
    part = tree.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    with TemporaryDirectory(prefix="pynet-apt-") as work:
        try:
            for deb in _download(suite, packages, Path(work)):
                run("dpkg-deb", "-x", deb, part)
        except CommandFailed as error:
            raise Unavailable(f"{what}: {error.stderr or error}") from error
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"{what}: {error.cmd[0]} took over {error.timeout:g} s") from error
    part.rename(tree)


def _download(suite: str, packages: tuple[str, ...], work: Path) -> list[Path]:
    for folder in ("lists/partial", "cache/archives/partial", "debs"):
        (work / folder).mkdir(parents=True)
    settings = {
        "Dir::Etc::sourcelist": work / "one.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": work / "lists",
        "Dir::State::status": "/dev/null",  # what is installed here is no version to choose
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq"] + [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    # A list of one suite only: with several in one list apt-get download takes the newest version of all.
    _update(apt, work / "one.list", suite)
    run(*apt, "download", *packages, timeout=300, cwd=work / "debs")
    return sorted((work / "debs").glob("*.deb"))


def _update(apt: list[str], sources: Path, suite: str) -> None:
    sources.write_text(f"deb {mirror()} {suite} main\n")
    try:
        run(*apt, "update", timeout=300)
    except CommandFailed as error:
        sources.write_text(f"deb {ARCHIVE} {suite} main\n")
        try:
            run(*apt, "update", timeout=300)
        except CommandFailed:
            raise error from None


def mirror() -> str:
    """Return the URL of the Debian archive that this machine's apt uses."""
    listing = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    debian = [line for line in listing.splitlines() if re.search(r"/debian/?$", line)]
    if not debian:
        raise Unavailable("the sources of apt name no Debian archive to take other suites from")
    return debian[0]
