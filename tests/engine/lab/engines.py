"""Docker Engines of several versions: the machine's own, and those of other Debian suites unpacked into a cache.

The engine, containerd and the client of trixie and forky need glibc 2.34 and run on a Debian 12 with its own runc and
iptables (tried with 26.1.5 and 28.5.2), so their packages are unpacked beside the system instead of installed into it.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.engine.lab.shell import CommandFailed, run

SUITES = {"20.10": "bookworm", "26.1": "trixie", "28.5": "forky"}
REQUIRED = "20.10"  # the distribution's own on Debian 12: it is there or the machine is not set up
DEFAULT = ("20.10", "28.5")
PACKAGES = ("docker.io", "docker-cli", "containerd")
PACKAGES_BOOKWORM = ("docker.io", "containerd")  # docker-cli became a package of its own in trixie


class Unavailable(Exception):
    """An engine cannot be had on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An unpacked engine; ``tree`` is None for the one installed on the machine.

    ``label`` is the version that was asked for, ``version`` the one that is there: forky moves.
    """

    label: str
    version: str
    tree: Path | None = None

    @property
    def client(self) -> Path:
        """The ``docker`` command of the same version."""
        return (self.tree or Path("/")) / "usr/bin/docker"

    @property
    def at_least_28(self) -> bool:
        """Whether IPv4 can be switched off and a ULA prefix comes by itself (28.0)."""
        return int(self.version.split(".")[0]) >= 28


def wanted() -> tuple[str, ...]:
    """Labels to test: ``PYNET_ENGINES``, blank-separated, or 20.10 and the newest."""
    return tuple(os.environ.get("PYNET_ENGINES", "").split()) or DEFAULT


def obtain(label: str) -> Engine:
    """Return the engine of that version, downloading it on first use.

    Raises:
        Unavailable: it is neither installed nor to be had from the Debian archive.
    """
    own = _own(label)
    if own and own.version.startswith(label + "."):
        return own
    try:
        tree = _cached(label)
        return Engine(label, _version(tree), tree)
    except Unavailable:
        if own and label == REQUIRED:
            return own
        raise


def _own(label: str) -> Engine | None:
    dockerd = Path("/usr/sbin/dockerd") if Path("/usr/sbin/dockerd").exists() else Path("/usr/bin/dockerd")
    return Engine(label, _version(Path("/"), dockerd)) if dockerd.exists() else None


def _version(tree: Path, dockerd: Path | None = None) -> str:
    output = run(dockerd or tree / "usr/sbin/dockerd", "--version")
    match = re.search(r"version ([0-9.]+)", output)
    if match is None:
        raise Unavailable(f"no version in what dockerd says of itself: {output!r}")
    return match[1].rstrip(".")


def cache_folder() -> Path:
    """Where unpacked engines are kept: outside the repository, so that a fresh checkout need not fetch them again."""
    named = os.environ.get("PYNET_ENGINE_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "pynet-engines"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _cached(label: str) -> Path:
    suite = SUITES.get(label)
    if suite is None:
        raise Unavailable(f"engine {label!r}: only {', '.join(SUITES)} are known")
    tree = cache_folder() / suite
    with _locked(cache_folder() / f"{suite}.lock"):
        if not tree.exists():
            _fetch(suite, tree)
    return tree


def _fetch(suite: str, tree: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Unavailable(f"engine of Debian {suite}: this machine has no apt-get and dpkg-deb")
    part = tree.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    with TemporaryDirectory(prefix="pynet-apt-") as work:
        try:
            for deb in _download(suite, Path(work)):
                run("dpkg-deb", "-x", deb, part)
        except CommandFailed as error:
            raise Unavailable(f"engine of Debian {suite}: {error.stderr or error}") from error
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"engine of Debian {suite}: {error.cmd[0]} took over {error.timeout:g} s") from error
    part.rename(tree)


def _download(suite: str, work: Path) -> list[Path]:
    for folder in ("lists/partial", "cache/archives/partial", "debs"):
        (work / folder).mkdir(parents=True)
    # A list of one suite only: with several in one list apt-get download takes the newest version of all.
    (work / "one.list").write_text(f"deb {_mirror()} {suite} main\n")
    settings = {
        "Dir::Etc::sourcelist": work / "one.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": work / "lists",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq"] + [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    run(*apt, "update", timeout=300)
    packages = PACKAGES_BOOKWORM if suite == "bookworm" else PACKAGES
    run(*apt, "download", *packages, timeout=300, cwd=work / "debs")
    return sorted((work / "debs").glob("*.deb"))


def _mirror() -> str:
    listing = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    debian = [line for line in listing.splitlines() if re.search(r"/debian/?$", line)]
    if not debian:
        raise Unavailable("the sources of apt name no Debian archive to take other suites from")
    return debian[0]


def main() -> int:
    """Fetch the engines named on the command line, or the default ones, and say what there is."""
    status = 0
    for label in sys.argv[1:] or wanted():
        try:
            engine = obtain(label)
            print(f"engine {label}: {engine.version} in {engine.tree or '/'}")
        except Unavailable as why:
            print(f"engine {label}: NOT AVAILABLE: {why}", file=sys.stderr)
            status = max(status, int(label == REQUIRED))
    return status


if __name__ == "__main__":
    sys.exit(main())
