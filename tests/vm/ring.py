"""The guest of a run of the tests, and what it has said so far."""

from collections.abc import Generator, Iterator, Sequence
from itertools import chain
from tempfile import TemporaryFile
from typing import Any

import pytest

from tests.vm import image
from tests.vm.guest import MEGABYTES, WITH_ENGINES, Guest, Lost, command
from tests.vm.packages import obtain


class Ring:
    """Starts a guest that runs all tests of the run, and hands out their reports."""

    def __init__(self, tests: Sequence[str], limit: float) -> None:
        machinery = obtain()
        # On a disk, as it has 150 MB, and without a name: so it goes with the last process that has it open.
        with TemporaryFile(dir="/var/tmp") as file:
            image.build(machinery, file, tests)
            file.flush()
            room = WITH_ENGINES if image.engines_of(tests) else MEGABYTES
            self._guest = Guest(command(machinery, file.fileno(), room), machinery.environment, limit, [file.fileno()])
        self._messages: Iterator[dict[str, Any]] = self._guest.messages()
        self._lost = ""

    def reports(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        """Yield the reports of a test, as they come; a failed one if the guest is lost, or its words about the test."""
        try:
            told = yield from self._told(item)
        except Lost as why:
            self._lost = str(why)
            yield _failed(item, self._lost)
        else:
            if not told:
                yield _failed(item, str(self._guest.lost(f"the guest did not say how {item.nodeid} ended")))

    def _told(self, item: pytest.Item) -> Generator[pytest.TestReport, None, bool]:
        """Yield what the guest tells of a test; return whether it told the end, before it went on with the next one."""
        if self._lost:
            raise Lost(self._lost)
        for message in self._messages:
            if isinstance(message["longrepr"], list):  # of a skip; JSON has no tuples
                message["longrepr"] = tuple(message["longrepr"])
            report = item.config.hook.pytest_report_from_serializable(config=item.config, data=dict(message))
            if report.nodeid != item.nodeid:
                self._messages = chain([message], self._messages)
                return False
            yield report
            if report.when == "teardown":
                return True
        raise self._guest.lost(f"the guest did not run {item.nodeid}")

    def end(self) -> None:
        """End the guest."""
        self._guest.end()


def _failed(item: pytest.Item, why: str) -> pytest.TestReport:
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")
