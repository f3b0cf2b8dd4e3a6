"""A value that is made for everybody who asks within a moment: one makes it, and the others get the same."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from netlink.deadline import remaining
from plugin.background.share import pause_after
from plugin.errors import Busy

T = TypeVar("T")

SHARE = 0.05  # of a core that all callers together may cost
SHORTEST = 1.0  # seconds for which a value is good
PATIENCE = 5.0  # seconds to wait for another caller


class Recent(Generic[T]):
    """``get`` may be called from any thread; ``make`` is called in the thread of one of them at a time."""

    def __init__(self, what: str, make: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._make = make
        self._clock = clock
        self._guard = threading.Lock()  # guards the two below
        self._value: T
        self._good_until = 0.0

    def get(self) -> T:
        """Return a value that is new enough; raises ``Busy`` if another caller takes too long to make it."""
        if not self._guard.acquire(timeout=remaining(PATIENCE)):
            raise Busy(f"{self._what} not ready: another caller has been reading for more than {PATIENCE:g} s")
        try:
            if self._clock() >= self._good_until:
                begin = time.thread_time()
                self._value = self._make()
                self._good_until = self._clock() + pause_after(time.thread_time() - begin, SHARE, SHORTEST)
            return self._value
        finally:
            self._guard.release()
