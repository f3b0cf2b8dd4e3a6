"""Finds the rings of a run of the tests, so that only their needs are installed.

``python -m tests.rings ARGUMENTS`` prints them, for the arguments of pytest.
"""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

RINGS = ("kernel", "engine", "cluster", "vm")


class Collector:
    """A plugin of pytest that notes the needs of the tests of a run.

    Attributes:
        rings: those of ``RINGS`` that have a test in the run.
    """

    def __init__(self) -> None:
        self.rings: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the rings of the tests that ``-k``, ``-m`` and folders select."""
        for item in session.items:
            self.rings |= {ring for ring in RINGS if item.get_closest_marker(ring)}
            if "cluster_engine" in getattr(item, "fixturenames", ()):
                self.rings.add("engine")


def rings_of(*arguments: str) -> list[str]:
    """Return the rings of a run, in order; all when its tests cannot be collected, which the run itself will say."""
    if not arguments:
        return list(RINGS)  # collecting takes some seconds
    collector = Collector()
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        status = pytest.main(["--collect-only", "-q", *arguments], plugins=[collector])
    known = status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return [ring for ring in RINGS if not known or ring in collector.rings]


if __name__ == "__main__":
    print(*rings_of(*sys.argv[1:]) or ["unit"])
