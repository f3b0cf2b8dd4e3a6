"""Consul, which is in Debian up to bullseye; the package is unpacked beside the system, as engines are.

``python -m tests.cluster.consul`` fetches it and says what there is.
"""

import sys
from pathlib import Path

from tests.engine.lab.shell import run
from tests.engine.lab.suites import Unavailable, unpacked


def obtain() -> Path:
    """Return the program, downloading it on first use.

    Raises:
        Unavailable: it is not to be had from the Debian archive.
    """
    return unpacked("bullseye", "consul") / "usr/bin/consul"


def version() -> str:
    """Return the version of ``obtain``: "1.8.7"."""
    return run(obtain(), "version").splitlines()[0].removeprefix("Consul v")


if __name__ == "__main__":
    try:
        print(f"consul: {version()} in {obtain()}")
    except Unavailable as why:
        print(f"consul: NOT AVAILABLE: {why}", file=sys.stderr)
