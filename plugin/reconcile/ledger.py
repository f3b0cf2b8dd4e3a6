"""Counts repairs since the start, and remembers the findings that could not be repaired when they were last checked."""

import threading
import time
from collections import Counter
from collections.abc import Sequence

import structlog

from plugin.model.findings import EndpointLost, Finding
from plugin.protocol.messages import Repair, Status

log = structlog.get_logger()

ORPHANS, REFUSED, RULES = "links without an owner", "refused rules", "rules in memory"  # places
RESOLVER = "addresses of the resolver"
NO_NETWORKS = frozenset({"", ORPHANS, REFUSED, RULES, RESOLVER})  # "" is the host


class Ledger:
    """All methods may be called from any thread and answer at once: lines are logged outside of the lock.

    A place is the id of a network, or another word for findings that are checked together.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards everything below
        self._counts: Counter[str] = Counter()
        self._failing: dict[str, dict[str, Repair]] = {}  # by place and sentence, of the last check of the place
        self._looks = 0
        self._looked = 0.0

    def repaired(self, finding: Finding) -> Repair:
        """Count a repair and log it."""
        with self._guard:
            self._counts[finding.kind] += 1
        repair = Repair(finding.kind, finding.sentence)
        log.warning("repaired", finding=repair.kind, what=repair.sentence)
        return repair

    def forgotten(self, network: str, lost: Sequence[EndpointLost]) -> None:
        """Count the endpoints of a network that were forgotten, and log them in one line: a reboot takes thousands."""
        if len(lost) == 1:
            self.repaired(lost[0])
            return
        with self._guard:
            self._counts[lost[0].kind] += len(lost)
        whose = f"{len(lost)} endpoints of network '{network[:12]}'"
        what = f"{whose} have lost their links: forget them and give their ports back"
        log.warning("repaired", finding=lost[0].kind, what=what, endpoints=[each.endpoint[:12] for each in lost])

    def failed(self, finding: Finding, error: Exception) -> Repair:
        """Log a finding that could not be repaired, once for as long as it fails."""
        with self._guard:
            known = any(finding.sentence in failing for failing in self._failing.values())
        if not known:
            log.warning("not repaired", finding=finding.kind, what=finding.sentence, error=str(error))
        return Repair(finding.kind, finding.sentence, str(error))

    def checked(self, place: str, done: Sequence[Repair]) -> Sequence[Repair]:
        """Note the results of a check of one place, and return them."""
        failing = {repair.sentence: repair for repair in done if repair.error}
        with self._guard:
            self._failing.pop(place, None)
            if failing:
                self._failing[place] = failing
        return done

    def looked(self) -> None:
        """Count a survey of everything."""
        with self._guard:
            self._looks += 1
            self._looked = time.time()

    def failing(self) -> list[str]:
        """Return the places where something could not be repaired."""
        with self._guard:
            return list(self._failing)

    def status(self) -> Status:
        """Return the counts, the failing findings and the number of surveys."""
        with self._guard:
            failing = [repair for repairs in self._failing.values() for repair in repairs.values()]
            return Status(dict(self._counts), tuple(failing), self._looks, looked=self._looked)
