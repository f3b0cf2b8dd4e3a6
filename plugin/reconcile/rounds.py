"""Looks at one network after the other, for changes of which the kernel notifies nobody, such as those of sysctls.

A round takes as long as its work takes at a small share of a core, so the cost is the same with many networks.
"""

import time
from collections.abc import Callable, Iterator

from plugin.background.share import pause_after
from plugin.firewall.firewall import Firewall
from plugin.host.forwarding import OWNER
from plugin.model.desired import Actual
from plugin.protocol.messages import Repair
from plugin.reconcile.checks import Checks
from plugin.reconcile.ledger import NO_NETWORKS, ORPHANS, RULES, Ledger
from plugin.reconcile.survey import Survey
from plugin.request.locks import LOOK, Locks

SHARE = 0.0015  # of a core, at most
SHORTEST = 30.0  # seconds from the begin of a round to the next, and between two attempts at a failed repair
PIECE = 0.01  # CPU seconds of work at a time, so that a thread wakes up seldom


class Rounds:
    """Every step may raise ``KernelError`` and ``PynetError``."""

    def __init__(self, survey: Survey, checks: Checks, ledger: Ledger, firewall: Firewall, locks: Locks) -> None:
        self._survey = survey
        self._checks = checks
        self._ledger = ledger
        self._firewall = firewall
        self._locks = locks
        self._steps: Iterator[object] = iter(())
        self._begun_at = self._retried_at = time.monotonic()
        self._next_at = 0.0  # when to go on, by the monotonic clock

    def go_on(self, cost: Callable[[], float] = time.thread_time) -> float:
        """Work for a moment, if it is time to; return the seconds to wait. ``cost`` returns CPU seconds so far."""
        if (early := self._next_at - time.monotonic()) > 0:
            return early
        pause = self._work(cost)
        self._next_at = time.monotonic() + pause
        return pause

    def _work(self, cost: Callable[[], float]) -> float:
        before = cost()
        if time.monotonic() - self._retried_at >= SHORTEST:
            self._retried_at = time.monotonic()
            self._retry()
        while (spent := cost() - before) < PIECE:
            if next(self._steps, None) is None:
                pause = pause_after(spent, SHARE, self._begun_at + SHORTEST - time.monotonic())
                self._steps, self._begun_at = self._round(), time.monotonic() + pause
                return pause
        return pause_after(spent, SHARE)

    def _retry(self) -> None:
        """Check the networks again where a repair failed."""
        for place in self._ledger.failing():
            if place not in NO_NETWORKS:
                with self._locks.hold(LOOK):
                    self._checks.network(place, Actual(), rules=True)

    def _round(self) -> Iterator[object]:
        """Look at the host and each network, then at links and rules that belong to none; yield after each step."""
        known, ruleless = {OWNER}, set[str]()
        self._checks.host(bridges=True)
        for network in self._survey.networks():
            with self._locks.hold(LOOK):
                part, _ = self._checks.network(network, Actual(), rules=True)
            known |= part.elements.keys() | set(part.kept)
            ruleless |= {limit.link for limit in part.limits} | {shared.link.name for shared in part.shared}
            yield network
        with self._locks.hold(LOOK):
            orphans = self._survey.without_rules(lambda name: name in ruleless or self._firewall.owns(name))
            self._ledger.checked(ORPHANS, [each for orphan in orphans for each in self._checks.orphan(orphan)])
        yield ORPHANS
        mended: list[Repair] = []
        for network in self._checks.rules.strays(known):
            with self._locks.hold(LOOK):
                mended += self._checks.mended(self._checks.rules.align_strays(network))
            yield RULES
        self._ledger.checked(RULES, mended)
        self._checks.refused()
        self._ledger.looked()
