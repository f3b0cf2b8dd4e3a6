"""Locks by name, taken in one order, never for longer than the deadline of the request.

    look at links  →  look at rules  →  network X  →  endpoint Y  →  link Z  →  parent P  →  host settings  →  firewall

A thread that holds one takes only locks to its right, with one exception: a creation takes the lock of a second network
or endpoint under its own, to remove one that the engine has given up. ``plugin.removal.removal`` says why that cannot
end in a deadlock.

The first two locks let one look at everything, and one at the rules, run at a time. No request of the engine takes
them, so nothing waits for them but another such look. Requests meet at the next four when they are about the same
network, endpoint, link or parent of links. All meet at the last two: a change of the host's settings, and one
transaction of nftables, which the kernel makes one after the other anyway. A look at the rules takes the last for its
writing, and not while it lists. Other locks of this program guard a few lines that never wait.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from netlink.deadline import remaining
from plugin.errors import Busy
from plugin.model.names import ENDPOINT, NETWORK, PARENT, Alias
from plugin.request.execution import Execution, current

DEADLINE = 20.0  # seconds for a thread without a deadline
HANGING = 1.0  # seconds to wait for a request that hangs; otherwise the waiting ones would take all threads
LINK = "link"


class LockName(NamedTuple):
    """The name of a lock, which users read in errors."""

    kind: str
    identity: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.identity}" if self.identity else self.kind

    @classmethod
    def network(cls, network_id: str) -> "LockName":
        """Name the lock of a network."""
        return cls(NETWORK, network_id)

    @classmethod
    def endpoint(cls, endpoint_id: str) -> "LockName":
        """Name the lock of an endpoint; one of a known network is held together with the network's."""
        return cls(ENDPOINT, endpoint_id)

    @classmethod
    def link(cls, name: str) -> "LockName":
        """Name the lock of a link."""
        return cls(LINK, name)


LOOK, LOOK_AT_RULES = LockName("look at links"), LockName("look at rules")
HOST_SETTINGS, FIREWALL = LockName("host settings"), LockName("firewall")
ORDER = (LOOK.kind, LOOK_AT_RULES.kind, NETWORK, ENDPOINT, LINK, PARENT, HOST_SETTINGS.kind, FIREWALL.kind)


def endpoint_locks(network_id: str, endpoint_id: str) -> tuple[LockName, LockName]:
    """Return the names of the locks of a network and one of its endpoints."""
    return LockName.network(network_id), LockName.endpoint(endpoint_id)


def locks_of(alias: str) -> tuple[LockName, ...]:
    """Return the lock of the network or endpoint that a link was made for; none if no pynet wrote its ``alias``."""
    made = Alias.read(alias)
    return (LockName(made.what, made.id),) if made.id else ()


class Locks:
    """Named locks that exist only while somebody holds or awaits them."""

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._guard = threading.Lock()  # guards _locks
        self._locks: dict[LockName, tuple[threading.Lock, int]] = {}
        self._holders: dict[LockName, Execution[Any] | None] = {}  # None holds it outside of requests
        self._own = threading.local()  # names that the thread holds

    @contextmanager
    def hold(self, *names: LockName) -> Iterator[None]:
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

    def held(self) -> tuple[LockName, ...]:
        """Return the names that this thread holds, in the order in which it took them."""
        names: tuple[LockName, ...] = getattr(self._own, "names", ())
        return names

    @contextmanager
    def _hold_one(self, name: LockName, until: float, patience: float) -> Iterator[None]:
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
        before = self.held()
        try:
            holder = self._holders.get(name)
            hangs = holder is not None and holder.hangs
            if not lock.acquire(timeout=max(0.0, min(until - time.monotonic(), HANGING if hangs else patience))):
                raise Busy(
                    f"{name} is busy with a request that hangs"
                    if hangs
                    else f"{name} is busy with another request for more than {patience:.0f} s"
                )
            self._holders[name], self._own.names = current.get(), (*before, name)
            try:
                yield
            finally:
                del self._holders[name]
                self._own.names = before
                lock.release()
        finally:
            with self._guard:
                lock, users = self._locks.pop(name)
                if users > 1:
                    self._locks[name] = (lock, users - 1)
