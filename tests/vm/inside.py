"""Runs tests in the guest, as its only program, and says over the serial line how they went.

The files of tests are ordinary ones and pytest runs them as elsewhere; its reports go to the host one by one.
"""

import os
from pathlib import Path

import pytest

from tests.vm.serial import SerialLine

TESTS = Path("/tests-to-run")  # their ids, a line each
PATIENCE = "60"  # seconds for one test in the guest, after which it says where it hangs
PLUGINS = ("-p", "pytest_timeout", "-p", "no:cacheprovider")


class Reporter:
    """A plugin of pytest that writes each report as a line of JSON."""

    def __init__(self, line: SerialLine) -> None:
        self._line = line
        self._config: pytest.Config | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep what turns reports into data."""
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send how setup, call or teardown of a test went."""
        assert self._config is not None
        self._line.send(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Send why tests could not be read."""
        if report.failed:
            self._line.send({"broken": report.longreprtext})


def main() -> None:
    """Run the tests of ``TESTS``."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    line = SerialLine()
    tests = TESTS.read_text().splitlines()
    pytest.main(["-q", "--color=no", f"--timeout={PATIENCE}", *PLUGINS, *tests], plugins=[Reporter(line)])
    line.send({"end": True})


if __name__ == "__main__":
    main()
