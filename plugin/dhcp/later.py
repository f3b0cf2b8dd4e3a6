"""Calls that are made later, by one thread that is not there before the first of them."""

import threading
import time
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from plugin.background.loop import Loop

Call = Callable[[], object]


class Later:
    """Makes calls at their time, one after the other; one that fails is logged."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._condition = threading.Condition()  # guards the two below
        self._due: list[tuple[float, int, Call]] = []  # by the monotonic clock; the number keeps the order
        self._loop: Loop[Call] | None = None
        self._numbers = count()

    def call(self, what: Call, after: float = 0.0) -> None:
        """Call ``what`` in ``after`` seconds."""
        with self._condition:
            heappush(self._due, (time.monotonic() + after, next(self._numbers), what))
            self._condition.notify()
            if self._loop is None:
                self._loop = Loop[Call](self._name, self._next, lambda call: call()).start()

    @property
    def trouble(self) -> str:
        """The problem of the thread as a sentence, "" if it is well or not there."""
        return self._loop.trouble if self._loop else ""

    def _next(self) -> Call:
        with self._condition:
            while not self._due or self._due[0][0] > time.monotonic():
                self._condition.wait(self._due[0][0] - time.monotonic() if self._due else None)
            return heappop(self._due)[2]
