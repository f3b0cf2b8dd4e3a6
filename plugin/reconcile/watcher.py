"""Threads that keep in line what others change: rules, pynet's own links and settings, which bridges are Docker's.

The kernel's word comes within a moment; what it says nothing about is found by looking every now and then.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from netlink.monitor import LINKS, OWN, RULES
from plugin.background.loop import Loop
from plugin.background.steady import Steady
from plugin.reconcile.reconciler import Reconciler

PERIOD = 1.5  # seconds between two looks at the rules when nothing was heard
WHOLE = 30.0  # seconds between two looks at everything; 200 networks with 400 containers take 0.1 s
SETTLE = {LINKS: 0.05, RULES: 0.2, OWN: 0.1}  # seconds for a burst of changes to end; a firewall's reload takes many
PATIENCE = 10.0  # seconds for the thread that listens to end
LONGEST = 1.0  # seconds after which a burst that does not end is looked at anyway


class Bell(Protocol):
    """Rings when others changed something that matters (``netlink.monitor.Monitor``)."""

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to ``seconds``; say what of ``LINKS``, ``RULES`` and ``OWN`` changed."""


class Duty:
    """One thing that is kept in line, in a thread of its own: what it waits for, no other duty waits for."""

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
        """Let it be done soon, because of what was ``heard``."""
        with self._guard:
            self._heard |= heard
        self._rings.set()

    def wait(self) -> frozenset[str] | None:
        """Wait until there is something to do and its burst is over; return what was heard, None for the end."""
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
        """Do it because of what was ``heard``."""
        self._steady.attempt(f"bringing {self._name} in line", lambda: self._work(heard))

    def start(self) -> Loop[frozenset[str]]:
        """Start the thread; it ends with the process, or after ``stop``."""
        return Loop(self._name, self.wait, self.do).start()

    def stop(self) -> None:
        """Let the thread end when it has done what it is doing."""
        self._ended = True
        self._rings.set()


class Watcher:
    """Looks at start, when it hears of a change, at the rules every ``PERIOD`` and at everything every ``WHOLE``.

    One thread listens, and one does each of the duties: rules, the host's bridges and forwarding, everything.
    """

    def __init__(self, reconciler: Reconciler, bell: Bell) -> None:
        self._reconciler = reconciler
        self._bell = bell
        self._rules = Duty("rules", lambda heard: reconciler.heal(elements=RULES in heard), SETTLE[RULES])
        self._host = Duty("host", lambda heard: reconciler.look_at_host(bridges=LINKS in heard), SETTLE[LINKS])
        self._links = Duty("links", lambda _: reconciler.reconcile(), SETTLE[OWN])
        self._whole_at = time.monotonic() + WHOLE
        self._soon_at = 0.0  # when rules and forwarding are looked at, whatever is heard
        self._running = True
        self._loop = Loop("watcher", self._hear, self._tell)

    def start(self) -> list[Loop[frozenset[str]]]:
        """Look, and start the threads, which are returned; they end with the process, or a moment after ``stop``."""
        self.look(frozenset({LINKS}))
        return [self._loop.start(), *(duty.start() for duty in (self._rules, self._host, self._links))]

    def stop(self) -> None:
        """Let the threads end, and wait for the one that listens."""
        self._running = False
        for duty in (self._rules, self._host, self._links):
            duty.stop()
        self._loop.join(PATIENCE)

    def look(self, heard: frozenset[str]) -> None:
        """Bring in line what was ``heard`` of, and the rules, one after the other: what the threads do."""
        self._rules.do(heard)
        whole = self._whole(heard)
        self._host.do(heard | {LINKS} if whole else heard)
        if whole:
            self._links.do(heard)

    def _hear(self) -> frozenset[str] | None:
        return self._bell.wait(PERIOD) if self._running else None

    def _tell(self, heard: frozenset[str]) -> None:
        """Tell each duty what is its own, at once: the rules do not wait for the end of a burst of links."""
        whole, soon = self._whole(heard), time.monotonic() >= self._soon_at
        if soon or RULES in heard:
            self._soon_at = time.monotonic() + PERIOD
            self._rules.tell(heard)
        if soon or whole or LINKS in heard:
            self._host.tell(heard | {LINKS} if whole else heard)
        if whole:
            self._links.tell(heard)

    def _whole(self, heard: frozenset[str]) -> bool:
        """Say whether everything is to be looked at; a look that failed is not heard of again."""
        whole = OWN in heard or self._reconciler.late or time.monotonic() >= self._whole_at
        if whole:
            self._whole_at = time.monotonic() + WHOLE
        return whole
