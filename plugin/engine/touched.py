"""Remembers when the engine last named a network or an endpoint, so that nothing in use is taken for forgotten."""

import threading
import time
from collections.abc import Callable, Collection

SLACK = 64  # ids of records that are gone which may be remembered before they are dropped


class Touched:
    """Times by id, of the monotonic clock. ``known`` returns the ids of all records.

    Records disappear in many ways, such as with their network or when a creation fails, so ids are not forgotten one by
    one: ids without a record are dropped when they are as many as the others.
    """

    def __init__(self, known: Callable[[], Collection[str]]) -> None:
        self._known = known
        self._lock = threading.Lock()  # guards the two below
        self._times: dict[str, float] = {}
        self._most = SLACK

    def note(self, identity: str) -> None:
        """Note that the engine named ``identity`` now."""
        with self._lock:
            self._times[identity] = time.monotonic()
            if len(self._times) <= self._most:
                return
        known = self._known()  # reads the store
        with self._lock:
            self._times = {key: at for key, at in self._times.items() if key in known or key == identity}
            self._most = 2 * len(self._times) + SLACK

    def latest(self, *identities: str) -> float:
        """Return when the engine last named one of ``identities``, 0 if it never did."""
        with self._lock:
            return max(self._times.get(identity, 0.0) for identity in identities)

    def clear(self) -> None:
        """Forget everything, as a restart does."""
        with self._lock:
            self._times.clear()

    def __len__(self) -> int:
        """Return how many ids are remembered."""
        return len(self._times)
