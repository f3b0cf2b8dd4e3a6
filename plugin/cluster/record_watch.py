"""Follows the records of one kind: lists them, then hands over each change, until it is stopped."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import structlog

from plugin.background.loop import Steady
from plugin.errors import PynetError
from plugin.store.base import Event, Record, Store, Versioned

log = structlog.get_logger()

SPREAD = 5.0  # seconds within which hosts list again after the cluster store was away: it serves one after the other


class Receiver(Protocol):
    """Takes listings and changes, from several threads."""

    def listed(self, kind: type[Record], prefix: str, items: Sequence[Versioned[Any]]) -> None:
        """Take all records of a kind whose keys begin with ``prefix``."""

    def heard(self, event: Event) -> None:
        """Take a change of one record."""


class RecordWatch:
    """Watches the records of ``kind`` whose keys begin with ``watched``, and lists those below some prefixes.

    A watch that cannot begin is tried again after a part of ``SPREAD`` that ``chance`` (0 to 1) chooses, so that not
    all hosts list at the moment at which the cluster store is back.
    """

    def __init__(
        self,
        store: Store,
        kind: type[Record],
        receiver: Receiver,
        watched: str = "",
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._kind = kind
        self._receiver = receiver
        self._watched = watched
        self._chance = chance
        self._guard = threading.Lock()  # guards _prefixes and _open
        self._prefixes: list[str] = []
        self._open = ExitStack()  # the present watch
        self._events: Iterator[Event] | None = None
        self._stopped = threading.Event()
        self._broken = False
        self.following = False  # whether each change since the last listing is handed over

    def add(self, prefix: str, *, now: bool = True) -> None:
        """List the records below ``prefix`` too, with ``now`` at once; if that fails, the watch begins anew."""
        with self._guard:
            self._prefixes.append(prefix)
        if now and not self._attempt(lambda: self._list(prefix)):
            with self._guard:
                self._open.close()

    def drop(self, prefix: str) -> None:
        """List the records below ``prefix`` no more."""
        with self._guard:
            self._prefixes = [other for other in self._prefixes if other != prefix]

    def start(self, *, now: bool = False) -> None:
        """Follow the records in a thread; ``now`` lists them before this returns, if the store answers."""
        if now:
            self._attempt(self._begin)
        threading.Thread(target=self._run, name=f"watch {self._kind.kind}", daemon=True).start()

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()
        with self._guard:
            self._open.close()

    def load(self) -> None:
        """List the records: a watch that broke may have missed removals."""
        for prefix in list(self._prefixes):
            self._list(prefix)

    def _list(self, prefix: str) -> None:
        self._receiver.listed(self._kind, prefix, self._store.list(self._kind, prefix))

    def _run(self) -> None:
        steady = Steady()
        while not self._stopped.is_set():
            steady.attempt(f"watch of {self._kind.kind}", lambda: self._attempt(self._follow))
            self._stopped.wait(self.pause())

    def pause(self) -> float:
        """Return the seconds before the next attempt."""
        return SPREAD * self._chance()

    def _attempt(self, call: Callable[[], object]) -> bool:
        try:
            call()
        except PynetError as error:
            if not self._broken:
                log.warning("watch broken, known entries stay", kind=self._kind.kind, error=str(error))
            self._broken = True
            return False
        return True

    def _begin(self) -> Iterator[Event]:
        with ExitStack() as stack:
            events = stack.enter_context(self._store.watch(self._kind, self._watched))
            self.load()
            with self._guard:
                self._open = stack.pop_all()
            self._events = events
            self.following = True
        if self._broken:
            log.info("watch begun again", kind=self._kind.kind)
        self._broken = False
        return events

    def _follow(self) -> None:
        events = self._events or self._begin()
        if self._stopped.is_set():
            self.stop()
        try:
            for event in events:
                self._receiver.heard(event)
        finally:
            self.following, self._events = False, None
            with self._guard:
                self._open.close()
