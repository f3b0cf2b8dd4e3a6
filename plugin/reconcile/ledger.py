"""Counts repairs since the start, and remembers the findings that the last survey could not repair."""

import threading
from collections import Counter
from collections.abc import Iterable

import structlog

from plugin.model.findings import Finding
from plugin.protocol.messages import Repair, Status

log = structlog.get_logger()


class Ledger:
    """All methods may be called from any thread and answer at once: lines are logged outside of the lock."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards everything below
        self._counts: Counter[str] = Counter()
        self._failing: dict[str, Repair] = {}  # by sentence, of the last survey
        self._looks = 0

    def repaired(self, finding: Finding) -> Repair:
        """Count a repair and log it."""
        with self._guard:
            self._counts[finding.kind] += 1
        log.warning("repaired", finding=finding.kind, what=finding.sentence)
        return Repair(finding.kind, finding.sentence)

    def failed(self, finding: Finding, error: Exception) -> Repair:
        """Log a finding that could not be repaired, once for as long as it fails."""
        if finding.sentence not in self._failing:
            log.warning("not repaired", finding=finding.kind, what=finding.sentence, error=str(error))
        return Repair(finding.kind, finding.sentence, str(error))

    def looked(self, done: Iterable[Repair]) -> None:
        """Note the results of a full survey."""
        failing = {repair.sentence: repair for repair in done if repair.error}
        with self._guard:
            self._failing = failing
            self._looks += 1

    def status(self) -> Status:
        """Return the counts, the failing findings and the number of surveys."""
        with self._guard:
            return Status(dict(self._counts), tuple(self._failing.values()), self._looks)
