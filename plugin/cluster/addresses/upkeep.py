"""Work for the cluster store in the background: carries out removals that wait, and compares records."""

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
    """Carries out removals, and calls ``repair`` at the start, now and then, and after the store was away.

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
        self._repair = repair
        self._chance = chance
        self._longest = longest
        self._stretch = stretch
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._loop: Loop[float] | None = None
        self._returned = False
        self._repair_at = 0.0  # by the monotonic clock
        self._pause = 0.0
        self._said = ""
        outbox.on_left = self._wake.set

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
        """Repair soon: the cluster store was away or this host counted as dead, so it may have been forgotten."""
        self._returned = True
        self._wake.set()

    def tend(self, now: float) -> float:
        """Do the work that is due ``now``, by the monotonic clock; return the seconds until more is due."""
        if self._returned:
            self._returned = False
            self._repair_at = min(self._repair_at, self._soon(now))
        try:
            refusal = self._flush()
            if now >= self._repair_at:
                self._repair_at = self._soon(now)  # should it fail
                self._repair()
                self._repair_at = now + AUDIT * self._stretch() * (1 + self._chance() / 2)
        except PynetError as error:
            self._say(error)
            self._repair_at = self._soon(now)  # random each time: all hosts notice at once that it is back
            return RETRY if self._outbox.pending else max(RETRY, self._repair_at - now)
        self._say(refusal)
        return min(AGAIN if refusal else AUDIT, self._repair_at - now)

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
