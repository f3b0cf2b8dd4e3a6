"""Whoever came first is first: a lock, of which the thread that lets go of it can get hold before those that wait."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from plugin.errors import Busy


class Line:
    """One thread at a time, in the order in which they came."""

    def __init__(self) -> None:
        self._change = threading.Condition()  # guards _tickets
        self._tickets: deque[object] = deque()

    @contextmanager
    def turn(self, seconds: float) -> Iterator[None]:
        """Wait for the turn, ``seconds`` at most, and have it in this block.

        Raises:
            Busy: those in front took longer.
        """
        ticket = object()
        try:
            with self._change:
                self._tickets.append(ticket)
                if not self._change.wait_for(lambda: self._tickets[0] is ticket, max(0.0, seconds)):
                    raise Busy(f"wait for other removals: they take longer than {seconds:.1f} s")
            yield
        finally:
            with self._change:
                self._tickets.remove(ticket)
                self._change.notify_all()
