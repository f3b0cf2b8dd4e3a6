"""Notices that the clock of this host went back: WireGuard accepts no greeting that is older than the last one.

The greeting has the time of the sender (TAI64N, in the first message of the handshake), and each peer remembers the
newest. So a host whose clock went back would have to wait until the others greet it, or until the old time comes again.
"""

from collections.abc import Callable
from contextlib import suppress

import structlog

log = structlog.get_logger()

JUMP = 1.0  # seconds by which a clock goes back at least; a greeting is refused for less than that otherwise


class Life:
    """A text that changes with each start of the machine, by ``boot``, and when the clock of the machine went back.

    ``wall`` and ``steady`` are the clocks, in seconds; the second never jumps, and no slewing tells them apart.
    """

    def __init__(self, boot: Callable[[], str], wall: Callable[[], float], steady: Callable[[], float]) -> None:
        self._boot = boot
        self._wall = wall
        self._steady = steady
        self._furthest = float("-inf")  # how far the wall clock was ahead of the other one, at most

    def text(self, before: str) -> str:
        """Return the text as it is now; ``before`` is the last one, which an earlier process may have written."""
        boot, ahead = self._boot(), self._wall() - self._steady()
        begun = _begin(before, boot)
        if begun is None:
            self._furthest = ahead
            return f"{boot}@{ahead:.3f}"
        self._furthest = max(self._furthest, begun, ahead)
        if ahead > self._furthest - JUMP:
            return before
        back = self._furthest - ahead
        log.warning(f"the clock of this host went back by {back:.0f} s: other hosts take it for a new peer")
        self._furthest = ahead
        return f"{boot}@{ahead:.3f}"


def _begin(text: str, boot: str) -> float | None:
    """Return how far the wall clock was ahead when ``text`` was written, None of another start of the machine."""
    before, _, ahead = text.rpartition("@")
    with suppress(ValueError):
        return float(ahead) if before == boot else None
    return None
