"""Threads that repair changes by others: of rules, of pynet's links and settings, and of Docker's bridges.

The kernel notifies pynet of most changes within a moment; periodic surveys find the others.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from netlink.monitor import LINKS, OWN, RULES
from plugin.background.loop import Loop, Steady
from plugin.reconcile.reconciler import Reconciler

PERIOD = 1.5  # seconds between two checks of the rules without a notification
WHOLE = 30.0  # seconds between two full surveys; for 200 networks with 400 containers one takes 0.1 s
SETTLE = {LINKS: 0.05, RULES: 0.2, OWN: 0.1}  # seconds for a burst of changes to end; a reload of a firewall makes many
PATIENCE = 10.0  # seconds to wait for the listening thread to end
LONGEST = 1.0  # seconds after which a burst is answered although it goes on


class Bell(Protocol):
    """Rings when others changed something that matters (``netlink.monitor.Monitor``)."""

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to ``seconds``; return which of ``LINKS``, ``RULES`` and ``OWN`` changed."""


class Duty:
    """One duty in a thread of its own, so that no other duty waits for it."""

    def __init__(self, name: str, work: Callable[[frozenset[str]], object], settle: float) -> None:
        self._name = name
        self._work = work
        self._settle = settle  # seconds for a burst of changes to end
        self._rings = threading.Event()
        self._guard = threading.Lock()  # guards _heard
        self._heard: frozenset[str] = frozenset()
        self._steady = Steady()
        self._ended = False

    def tell(self, heard: frozenset[str]) -> None:
        """Have the duty done soon, because of the changes ``heard``."""
        with self._guard:
            self._heard |= heard
        self._rings.set()

    def wait(self) -> frozenset[str] | None:
        """Wait for changes and the end of their burst; return them, or None to end."""
        self._rings.wait()
        end = time.monotonic() + LONGEST
        self._rings.clear()
        while not self._ended and time.monotonic() < end and self._rings.wait(self._settle):
            self._rings.clear()
        if self._ended:
            return None
        with self._guard:
            heard, self._heard = self._heard, frozenset()
        return heard

    def do(self, heard: frozenset[str]) -> None:
        """Do the duty because of the changes ``heard``."""
        self._steady.attempt(f"bringing {self._name} in line", lambda: self._work(heard))

    def start(self) -> Loop[frozenset[str]]:
        """Start the thread; it ends with the process, or after ``stop``."""
        return Loop(self._name, self.wait, self.do).start()

    def stop(self) -> None:
        """End the thread after its current work."""
        self._ended = True
        self._rings.set()


class Watcher:
    """Checks at start, on every notification, the rules every ``PERIOD``, and everything every ``WHOLE``.

    One thread listens. Three others have one duty each: the rules; bridges and forwarding of the host; everything.
    """

    def __init__(self, reconciler: Reconciler, bell: Bell) -> None:
        self._reconciler = reconciler
        self._bell = bell
        self._rules = Duty("rules", lambda heard: reconciler.heal(elements=RULES in heard), SETTLE[RULES])
        self._host = Duty("host", lambda heard: reconciler.look_at_host(bridges=LINKS in heard), SETTLE[LINKS])
        self._links = Duty("links", lambda _: reconciler.reconcile(), SETTLE[OWN])
        self._whole_at = time.monotonic() + WHOLE
        self._soon_at = 0.0  # when rules and forwarding are checked without a notification
        self._running = True
        self._loop = Loop("watcher", self._hear, self._tell)

    def start(self) -> list[Loop[frozenset[str]]]:
        """Check once, then start the threads and return them; they end with the process, or soon after ``stop``."""
        self.look(frozenset({LINKS}))
        return [self._loop.start(), *(duty.start() for duty in (self._rules, self._host, self._links))]

    def stop(self) -> None:
        """End the threads, and wait for the listening one."""
        self._running = False
        for duty in (self._rules, self._host, self._links):
            duty.stop()
        self._loop.join(PATIENCE)

    def look(self, heard: frozenset[str]) -> None:
        """Do the duties of the threads for ``heard``, one after the other."""
        self._rules.do(heard)
        whole = self._whole(heard)
        self._host.do(heard | {LINKS} if whole else heard)
        if whole:
            self._links.do(heard)

    def _hear(self) -> frozenset[str] | None:
        return self._bell.wait(PERIOD) if self._running else None

    def _tell(self, heard: frozenset[str]) -> None:
        """Pass the changes to their duties at once, so that the rules do not wait for the end of a burst of links."""
        whole, soon = self._whole(heard), time.monotonic() >= self._soon_at
        if soon or RULES in heard:
            self._soon_at = time.monotonic() + PERIOD
            self._rules.tell(heard)
        if soon or whole or LINKS in heard:
            self._host.tell(heard | {LINKS} if whole else heard)
        if whole:
            self._links.tell(heard)

    def _whole(self, heard: frozenset[str]) -> bool:
        """Return whether a full survey is due; if one fails, the next is due after ``WHOLE``."""
        whole = OWN in heard or self._reconciler.late or time.monotonic() >= self._whole_at
        if whole:
            self._whole_at = time.monotonic() + WHOLE
        return whole
