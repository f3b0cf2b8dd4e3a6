"""Work for the cluster store in the background: carries out removals that wait, and compares records."""

import math
import random
import threading
import time
from collections.abc import Callable

import structlog

from plugin.background.loop import Loop
from plugin.cluster.addresses.outbox import Outbox
from plugin.errors import PynetError
from plugin.store.base import StoreAway

log = structlog.get_logger()

RETRY = 1.0  # seconds between two attempts while the cluster store is away
AGAIN = 10.0  # seconds before a removal that was refused is tried again
AUDIT = 300.0  # seconds, and up to half as many more, between two comparisons of this host's records with the store's
LONGEST = 3600.0  # seconds of work after which the thread is stuck: a slow store is asked thousands of times
SPREAD = 10.0  # seconds within which hosts compare when the cluster store is back: each lists its pools


class Upkeep:
    """Carries out removals, calls ``repair`` at the start and now and then, and checks when the store was away.

    ``chance`` (0 to 1) chooses the moment: each time within ``AUDIT`` and half as much again, and within ``SPREAD``
    after the store was away, both times ``stretch()``, which is more than 1 if there are many hosts. So hosts that
    began together do not list the store together.
    """

    def __init__(
        self,
        outbox: Outbox,
        repair: Callable[[], object],
        chance: Callable[[], float] = random.random,
        longest: float = LONGEST,
        stretch: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._outbox = outbox
        self._repair = self._check = repair
        self._chance = chance
        self._longest = longest
        self._stretch = stretch
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._loop: Loop[float] | None = None
        self._returned = False
        self._repair_at, self._check_at = 0.0, math.inf  # by the monotonic clock
        self._pause = 0.0
        self._said = ""
        outbox.on_left = self._wake.set

    def when_back(self, check: Callable[[], object]) -> None:
        """Call ``check`` after the store was away, in the place of ``repair``: all hosts do so at nearly one time."""
        self._check = check

    def start(self) -> Loop[float]:
        """Start the thread and return it."""
        self._loop = Loop("upkeep", self._due, self._tend, self._longest)
        return self._loop.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._wake.set()
        if self._loop is not None:
            self._loop.join(5)

    def returned(self) -> None:
        """Check soon: the cluster store was away or this host counted as dead, so it may have been forgotten."""
        self._returned = True
        self._wake.set()

    def tend(self, now: float) -> float:
        """Do the work that is due ``now``, by the monotonic clock; return the seconds until more is due."""
        if self._returned:
            self._returned = False
            self._check_at = min(self._check_at, self._soon(now))
        try:
            refusal = self._flush()
            self._compare(now)
        except PynetError as error:
            self._say(error)
            self._repair_at, self._check_at = self._not_yet(self._repair_at, now), self._not_yet(self._check_at, now)
            return RETRY if self._outbox.pending else max(RETRY, self._next() - now)
        self._say(refusal)
        return min(AGAIN if refusal else AUDIT, self._next() - now)

    def _compare(self, now: float) -> None:
        """Repair or check, if it is time; a repair does what a check does."""
        if now >= self._repair_at:
            self._repair_at = self._soon(now)  # should it fail
            self._repair()
            self._repair_at = now + AUDIT * self._stretch() * (1 + self._chance() / 2)
            self._check_at = math.inf
        elif now >= self._check_at:
            self._check_at = self._soon(now)
            self._check()
            self._check_at = math.inf

    def _next(self) -> float:
        return min(self._repair_at, self._check_at)

    def _not_yet(self, at: float, now: float) -> float:
        """Return a moment to come, a random one if it is past: all hosts notice at once that the store is back."""
        return at if at > now else self._soon(now)

    def _soon(self, now: float) -> float:
        return now + self._chance() * SPREAD * self._stretch()

    def _flush(self) -> PynetError | None:
        """Carry out the removals and return the first refusal; raises ``StoreAway``."""
        try:
            self._outbox.flush()
        except StoreAway:
            raise
        except PynetError as error:
            return error
        return None

    def _say(self, error: PynetError | None) -> None:
        """Log an error once, until there is none or another one."""
        said, self._said = self._said, str(error or "")
        if self._said not in ("", said):
            log.warning("removals and comparison with the cluster store wait", error=self._said)

    def _due(self) -> float | None:
        if self._wake.wait(self._pause):
            self._wake.clear()
            self._stopped.wait(RETRY)  # callers may wake it at any rate
        return None if self._stopped.is_set() else time.monotonic()

    def _tend(self, now: float) -> None:
        self._pause = RETRY  # should it fail
        self._pause = max(0.0, self.tend(now))
