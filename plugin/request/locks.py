"""Locks by name, taken in one order, never for longer than the deadline of the request.

    look at links  →  network X  →  endpoint Y  →  link Z  →  host settings  →  firewall

Whoever holds one takes only those to its right. The first is that of looks at everything, of which there is one at a
time; no request of the engine takes it, and nothing waits for it but another such look. Requests meet at the next three
when they are about the same network, endpoint or link. All meet at the last two: a change of the host's settings, and
one transaction of nftables (which the kernel itself makes one after the other). Who looks at the rules takes only the
last. Other locks of this program guard a few lines that never wait.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from netlink.deadline import remaining
from plugin.errors import Busy
from plugin.request.execution import hanging

DEADLINE = 20.0  # seconds for whoever has no deadline
HANGING = 1.0  # seconds to wait for one that hangs; otherwise those that wait would take all threads
LOOK = "look at links"
ORDER = (LOOK, "network", "endpoint", "link", "host settings", "firewall")


class Locks:
    """Named locks that exist only while somebody holds or awaits them."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._guard = threading.Lock()  # guards _locks
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._holders: dict[str, Callable[[], bool]] = {}  # whether who holds it hangs
        self._own = threading.local()  # names that the thread holds

    @contextmanager
    def hold(self, *names: str) -> Iterator[None]:
        """Hold the locks called ``names``, taken in that order.

        Raises:
            Busy: one of them stayed taken until the deadline.
        """
        patience = remaining(self._deadline)
        until = time.monotonic() + patience
        with ExitStack() as stack:
            for name in names:
                stack.enter_context(self._hold_one(name, until, patience))
            yield

    def held(self) -> tuple[str, ...]:
        """Return the names that this thread holds, in the order in which it took them."""
        names: tuple[str, ...] = getattr(self._own, "names", ())
        return names

    @contextmanager
    def _hold_one(self, name: str, until: float, patience: float) -> Iterator[None]:
        lock = self._enter(name)
        try:
            hangs = self._holders.get(name, lambda: False)()
            if not lock.acquire(timeout=max(0.0, min(until - time.monotonic(), HANGING if hangs else patience))):
                raise Busy(
                    f"{name} is busy with a request that hangs"
                    if hangs
                    else f"{name} is busy with another request for more than {patience:.0f} s"
                )
            self._holders[name], self._own.names = hanging(), (*self.held(), name)
            try:
                yield
            finally:
                del self._holders[name]
                self._own.names = self.held()[:-1]  # the last that was taken is the first that is given back
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
