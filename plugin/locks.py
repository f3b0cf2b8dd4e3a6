"""Locks by name: one for each network and each endpoint, taken in one order, never for longer than a deadline."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from plugin.errors import Busy

DEADLINE = 20.0  # seconds; the engine's calls over a v1 socket have no time limit of their own


class Locks:
    """Named locks that exist only while somebody holds or awaits them.

    Order: a network before its endpoints. Nothing may be locked while waiting for another request's work.
    """

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._guard = threading.Lock()  # guards _locks
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, *names: str) -> Iterator[None]:
        """Hold the locks called ``names``, taken in that order.

        Raises:
            Busy: one of them stayed taken until the deadline.
        """
        until = time.monotonic() + self._deadline
        with ExitStack() as stack:
            for name in names:
                stack.enter_context(self._hold_one(name, until))
            yield

    @contextmanager
    def _hold_one(self, name: str, until: float) -> Iterator[None]:
        lock = self._enter(name)
        try:
            if not lock.acquire(timeout=max(0.0, until - time.monotonic())):
                raise Busy(f"{name} is busy with another request for more than {self._deadline:.0f} s")
            try:
                yield
            finally:
                lock.release()
        finally:
            self._leave(name)

    def _enter(self, name: str) -> threading.Lock:
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
            return lock

    def _leave(self, name: str) -> None:
        with self._guard:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = (lock, users - 1)
