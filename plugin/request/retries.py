"""Removals that failed, to be done all the same: the engine takes each for done and never asks again.

(moby daemon/libnetwork logs errors of DeleteNetwork, DeleteEndpoint, Leave and the releases of addresses, and goes on.)
They are tried again until they succeed, or until somebody creates anew the thing that was to be removed. An undo that
failed is retried likewise (``plugin.request.work``). Nothing of this is written down, as a failing store is one of the
causes; after a restart ``plugin.removal.garbage`` finds the rest.
"""

import threading
from collections.abc import Callable
from functools import partial

import structlog

from netlink.deadline import deadline
from plugin.background.loop import Loop, alive
from plugin.background.steady import Steady

log = structlog.get_logger()

PAUSE = 5.0  # seconds between two tries
PATIENCE = 20.0  # seconds for one removal


class RetryQueue:
    """What is owed, by the name of the thing that is to be removed. Every method may be called from any thread.

    Whoever calls ``forgive`` holds the lock that the removal takes, so that none is half-way then.
    """

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._guard = threading.Lock()  # guards _owed
        self._owed: dict[str, Callable[[], object]] = {}
        self._rings = threading.Event()
        self._running = True
        self._steady = Steady()

    def owe(self, name: str, removal: Callable[[], object]) -> None:
        """Remember ``removal``, which can be repeated and looks itself whether there is something left to do."""
        with self._guard:
            self._owed[name] = removal
        self._rings.set()

    def owes(self, name: str) -> bool:
        """Say whether the removal of ``name`` is still to be done."""
        return name in self._owed

    def forgive(self, name: str) -> None:
        """Forget the removal of ``name``: it was done, or there is a new thing of that name."""
        if name in self._owed:
            with self._guard:
                self._owed.pop(name, None)

    def settle(self) -> int:
        """Try everything once and return how much is still owed."""
        with self._guard:
            owed = list(self._owed.items())
        for name, removal in owed:
            alive()
            if self._steady.attempt(f"removal of {name}", partial(_do, removal)):
                log.info("removal done late", what=name)
                self._pay(name, removal)
        return len(self._owed)

    def start(self) -> Loop[bool]:
        """Settle in the background whenever something is owed."""
        return Loop("debts", self._wait, lambda _: self.settle()).start()

    def stop(self) -> None:
        """End the thread."""
        self._running = False
        self._rings.set()

    def _pay(self, name: str, removal: Callable[[], object]) -> None:
        with self._guard:
            if self._owed.get(name) is removal:
                del self._owed[name]

    def _wait(self) -> bool | None:
        if not self._running:
            return None
        self._rings.wait(self._pause if self._owed else None)
        self._rings.clear()
        return True


def _do(removal: Callable[[], object]) -> None:
    with deadline(PATIENCE):
        removal()
