"""Removals that failed and are tried again, because the engine takes each for done and never asks again.

(moby daemon/libnetwork logs errors of DeleteNetwork, DeleteEndpoint, Leave and the releases of addresses, and goes on.)
Each is tried until it succeeds, or until somebody creates the removed thing anew. An undo that failed is retried in the
same way (``plugin.request.work``). The queue is not stored, because a failing store is one of the causes; after a
restart ``plugin.removal.garbage`` finds the rest.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import structlog

from netlink.deadline import deadline
from plugin.background.loop import Loop, Steady, alive

log = structlog.get_logger()

PAUSE = 5.0  # seconds between two tries
PATIENCE = 20.0  # seconds for one removal


class Owed(NamedTuple):
    """The name of a removal that has to be done, in the words of the log: for a record, its kind and its key."""

    what: str
    identity: str

    def __str__(self) -> str:
        return f"{self.what} {self.identity}"

    @classmethod
    def network(cls, network_id: str) -> "Owed":
        """Name the removal of a network."""
        return cls("network", network_id)

    @classmethod
    def endpoint(cls, network_id: str, endpoint_id: str) -> "Owed":
        """Name the removal of an endpoint."""
        return cls("endpoint", f"{network_id}/{endpoint_id}")

    @classmethod
    def ports(cls, network_id: str, endpoint_id: str) -> "Owed":
        """Name the withdrawal of an endpoint's ports."""
        return cls("ports of", f"{network_id}/{endpoint_id}")

    @classmethod
    def lease(cls, network_id: str, endpoint_id: str) -> "Owed":
        """Name the return of a lease that a failed request took."""
        return cls.leftovers(f"the lease of endpoint {network_id}/{endpoint_id}")

    @classmethod
    def leftovers(cls, about: object) -> "Owed":
        """Name the undo that a failed request ``about`` something could not finish."""
        return cls("what a failed request left of", str(about))

    @classmethod
    def taken_ports(cls, endpoint_id: str) -> "Owed":
        """Name the return of ports that other endpoints of a container gave up in vain."""
        return cls.leftovers(f"ports taken for endpoint {endpoint_id}")


class RetryQueue:
    """The removals that are to be tried again, by name. Every method may be called from any thread.

    The caller of ``drop`` holds the locks that the removal takes, so none is half-way then.
    """

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._guard = threading.Lock()  # guards _owed
        self._owed: dict[Owed, Callable[[], object]] = {}
        self._rings = threading.Event()
        self._running = True
        self._steady = Steady()

    def add(self, owed: Owed, removal: Callable[[], object]) -> None:
        """Try ``removal`` until it succeeds; it can be repeated, and finds out itself whether anything is left."""
        with self._guard:
            self._owed[owed] = removal
        self._rings.set()

    def pending(self, owed: Owed) -> bool:
        """Return whether the removal is still to be done."""
        return owed in self._owed

    def drop(self, *names: Owed) -> None:
        """Forget removals: they were done, or there are new things of these names."""
        for owed in names:
            if owed in self._owed:
                with self._guard:
                    self._owed.pop(owed, None)

    def run(self) -> int:
        """Try every removal once, and return how many are left."""
        with self._guard:
            tried = list(self._owed.items())
        for owed, removal in tried:
            alive()
            if self._steady.attempt(f"removal of {owed}", partial(_in_time, removal)):
                log.info("removal done late", what=str(owed))
                self._done(owed, removal)
        return len(self._owed)

    def start(self) -> Loop[bool]:
        """Run in the background whenever a removal is pending."""
        return Loop("retries", self._wait, lambda _: self.run()).start()

    def stop(self) -> None:
        """End the thread."""
        self._running = False
        self._rings.set()

    def _done(self, owed: Owed, removal: Callable[[], object]) -> None:
        with self._guard:
            if self._owed.get(owed) is removal:
                del self._owed[owed]

    def _wait(self) -> bool | None:
        if not self._running:
            return None
        self._rings.wait(self._pause if self._owed else None)
        self._rings.clear()
        return True


def _in_time(removal: Callable[[], object]) -> None:
    with deadline(PATIENCE):
        removal()
