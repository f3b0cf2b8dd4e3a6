"""Debian's Prometheus, unpacked beside the system as engines are.

``python -m tests.kernel.prometheus`` fetches it and says what there is.
"""

import sys
from pathlib import Path

from tests.engine.lab.shell import run
from tests.engine.lab.suites import Unavailable, unpacked


def obtain() -> Path:
    """Return the folder with the programs prometheus and promtool, downloading them on first use.

    Raises:
        Unavailable: they are not to be had from the Debian archive.
    """
    return unpacked("bookworm", "prometheus", name="prometheus") / "usr/bin"


def version() -> str:
    """Return the version of ``obtain``: "2.42.0+ds"."""
    return run(obtain() / "promtool", "--version").split()[2]


if __name__ == "__main__":
    try:
        print(f"prometheus: {version()} in {obtain()}")
    except Unavailable as why:
        print(f"prometheus: NOT AVAILABLE: {why}", file=sys.stderr)
