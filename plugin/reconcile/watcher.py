"""Threads that repair changes by others: of rules, of pynet's links and settings, and of Docker's bridges.

The kernel notifies pynet of most changes within a moment; looks at a slow pace find the others.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from netlink.monitor import LINKS, LOST, NAMED, OWN, RULES, SWITCH
from plugin.background.loop import Loop, Steady
from plugin.reconcile.reconciler import Reconciler

PERIOD = 1.5  # seconds between two questions for the number of the ruleset
ELEMENTS = 30.0  # seconds between two attempts to write refused elements
LISTEN = 5.0  # seconds after which the listening thread looks whether it has to end
AGAIN = 30.0  # seconds after which a look that failed is tried again
SETTLE = {LINKS: 0.05, RULES: 0.2, OWN: 0.1}  # seconds for a burst of changes to end; a reload of a firewall makes many
PATIENCE = 10.0  # seconds to wait for the listening thread to end
LONGEST = 1.0  # seconds after which a burst is answered although it goes on
NOTHING: frozenset[str] = frozenset()


class Bell(Protocol):
    """Rings when others changed something that matters (``netlink.monitor.Monitor``)."""

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to ``seconds``; return which of ``LINKS``, ``RULES``, ``OWN`` and so on changed."""


class Duty:
    """One duty in a thread of its own, so that no other duty waits for it.

    ``work`` returns the seconds after which it is due without a notification, None for never; after it has failed it is
    due in ``again`` seconds.
    """

    def __init__(
        self, name: str, work: Callable[[frozenset[str]], float | None], settle: float, again: float = AGAIN
    ) -> None:
        self._name = name
        self._work = work
        self._settle = settle  # seconds for a burst of changes to end
        self._again = again
        self._rings = threading.Event()
        self._guard = threading.Lock()  # guards _heard
        self._heard = NOTHING
        self._steady = Steady()
        self._due: float | None = 0.0  # seconds
        self._ended = False

    def tell(self, heard: frozenset[str]) -> None:
        """Have the duty done soon, because of the changes ``heard``."""
        with self._guard:
            self._heard |= heard
        self._rings.set()

    def wait(self) -> frozenset[str] | None:
        """Wait for changes and the end of their burst, or until work is due; return the changes, or None to end."""
        if self._rings.wait(self._due):
            end = time.monotonic() + LONGEST
            self._rings.clear()
            while not self._ended and time.monotonic() < end and self._rings.wait(self._settle):
                self._rings.clear()
        if self._ended:
            return None
        with self._guard:
            heard, self._heard = self._heard, NOTHING
        return heard

    def do(self, heard: frozenset[str]) -> None:
        """Do the duty because of the changes ``heard``."""
        self._due = self._again
        self._steady.attempt(f"bringing {self._name} in line", lambda: self._do(heard))

    def start(self) -> Loop[frozenset[str]]:
        """Start the thread; it ends with the process, or after ``stop``."""
        return Loop(self._name, self.wait, self.do).start()

    def stop(self) -> None:
        """End the thread after its current work."""
        self._ended = True
        self._rings.set()

    def _do(self, heard: frozenset[str]) -> None:
        self._due = self._work(heard)


class Watcher:
    """Checks everything at start, then what the kernel tells of, and at a slow pace one network after the other.

    One thread listens. Three others have one duty each: the rules; bridges and forwarding of the host; our links.
    """

    def __init__(self, reconciler: Reconciler, bell: Bell) -> None:
        self._reconciler = reconciler
        self._bell = bell
        self._rules = Duty("rules", self._heal, SETTLE[RULES], PERIOD)
        self._host = Duty("host", self._look_at_host, SETTLE[LINKS])
        self._links = Duty("links", self._look_at_links, SETTLE[OWN])
        self._elements_at = time.monotonic() + ELEMENTS
        self._lost = False  # whether everything has to be surveyed
        self._running = True
        self._loop = Loop("watcher", self._hear, self._tell)

    def start(self) -> list[Loop[frozenset[str]]]:
        """Check once, then start the threads and return them; they end with the process, or soon after ``stop``.

        Bridges of others are listed again only if the recovery could not list them: the bell rings for later ones.
        """
        self.look(frozenset())
        return [self._loop.start(), *(duty.start() for duty in (self._rules, self._host, self._links))]

    def stop(self) -> None:
        """End the threads, and wait for the listening one."""
        self._running = False
        for duty in (self._rules, self._host, self._links):
            duty.stop()
        self._loop.join(PATIENCE)

    def look(self, heard: frozenset[str]) -> None:
        """Do the duties of the threads for ``heard``, one after the other."""
        whole = OWN in heard or self._reconciler.late
        self._rules.do(heard)
        whole |= self._reconciler.late
        self._host.do(heard | {LINKS} if whole else heard)
        if whole:
            self._links.do(heard | {OWN})

    def _hear(self) -> frozenset[str] | None:
        return self._bell.wait(LISTEN) if self._running else None

    def _tell(self, heard: frozenset[str]) -> None:
        """Pass the changes to their duties at once, so that the rules do not wait for the end of a burst of links."""
        if RULES in heard:
            self._rules.tell(heard)
        if not heard.isdisjoint({LINKS, SWITCH, LOST}):
            self._host.tell(heard)
        if OWN in heard:
            self._links.tell(heard)

    def _heal(self, heard: frozenset[str]) -> float:
        """Bring the rules in line; if they are there again, have the links surveyed that had to be set down."""
        elements = RULES in heard or time.monotonic() >= self._elements_at
        if elements:
            self._elements_at = time.monotonic() + ELEMENTS
        self._reconciler.heal(elements=elements)
        if self._reconciler.late:
            self._links.tell(frozenset({OWN, LOST}))
        return PERIOD

    def _look_at_host(self, heard: frozenset[str]) -> None:
        self._reconciler.look_at_host(bridges=LINKS in heard)

    def _look_at_links(self, heard: frozenset[str]) -> float:
        """Survey everything if notifications were lost, else check the named links, else go on with the round."""
        names = {each.removeprefix(NAMED) for each in heard if each.startswith(NAMED)}
        self._lost |= LOST in heard or (OWN in heard and not names)
        if self._lost:
            self._reconciler.reconcile()
            self._lost = False
        elif names:
            self._reconciler.look_at_links(names)
        return self._reconciler.look_around()
