"""Docker Engines of several versions: the machine's own, and those of other Debian suites unpacked into a cache.

The engine, containerd and the client of trixie and forky need glibc 2.34 and run on a Debian 12 with its own runc and
iptables (tried with 26.1.5 and 28.5.2), so their packages are unpacked beside the system instead of installed into it.
"""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.engine.lab.shell import CommandFailed, run
from tests.engine.lab.suites import Unavailable, unpacked

SUITES = {"20.10": "bookworm", "26.1": "trixie", "28.5": "forky"}
REQUIRED = "20.10"  # the distribution's own on Debian 12: it is there or the machine is not set up
DEFAULT = ("20.10", "28.5")
PACKAGES = ("docker.io", "docker-cli", "containerd")
PACKAGES_BOOKWORM = ("docker.io", "containerd")  # docker-cli became a package of its own in trixie


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


def chosen() -> tuple[str, ...]:
    """Labels in ``PYNET_ENGINES``, blank-separated."""
    return tuple(os.environ.get("PYNET_ENGINES", "").split())


def wanted() -> tuple[str, ...]:
    """Labels to test: those that are chosen, or 20.10 and the newest."""
    return chosen() or DEFAULT


def obtain(label: str) -> Engine:
    """Return the engine of that version, downloading it on first use.

    Raises:
        Unavailable: it is neither installed nor to be had from the Debian archive.
    """
    own = _own(label)
    if own and own.version.startswith(label + "."):
        return own
    try:
        tree = _unpacked(label)
        return Engine(label, _version(tree), tree)
    except Unavailable:
        if own and label == REQUIRED:
            return own
        raise


def _unpacked(label: str) -> Path:
    suite = SUITES.get(label)
    if suite is None:
        raise Unavailable(f"engine {label!r}: only {', '.join(SUITES)} are known")
    return unpacked(suite, *(PACKAGES_BOOKWORM if suite == "bookworm" else PACKAGES))


def _own(label: str) -> Engine | None:
    dockerd = Path("/usr/sbin/dockerd") if Path("/usr/sbin/dockerd").exists() else Path("/usr/bin/dockerd")
    return Engine(label, _version(Path("/"), dockerd)) if dockerd.exists() else None


def _version(tree: Path, dockerd: Path | None = None) -> str:
    program = dockerd or tree / "usr/sbin/dockerd"
    try:
        output = run(program, "--version")
    except CommandFailed as error:  # such as Debian 12's on Debian 13, which has other libraries
        raise Unavailable(f"{program} does not run here: {error.stderr}") from error
    match = re.search(r"version ([0-9.]+)", output)
    if match is None:
        raise Unavailable(f"no version in what dockerd says of itself: {output!r}")
    return match[1].rstrip(".")


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
