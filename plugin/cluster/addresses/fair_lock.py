"""A lock that threads get in the order in which they asked, unlike the locks of ``threading``."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from plugin.errors import Busy


class FairLock:
    """Held by one thread at a time."""

    def __init__(self) -> None:
        self._change = threading.Condition()  # guards _waiting
        self._waiting: deque[object] = deque()  # the first one holds the lock

    @contextmanager
    def hold(self, seconds: float) -> Iterator[None]:
        """Hold the lock in this block; wait for it ``seconds`` at most.

        Raises:
            Busy: the threads before this one took longer.
        """
        ticket = object()
        try:
            with self._change:
                self._waiting.append(ticket)
                if not self._change.wait_for(lambda: self._waiting[0] is ticket, max(0.0, seconds)):
                    raise Busy(f"wait for other removals: they take longer than {seconds:.1f} s")
            yield
        finally:
            with self._change:
                self._waiting.remove(ticket)
                self._change.notify_all()
