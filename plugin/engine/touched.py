"""Remembers when the engine last named a network or an endpoint, so that nothing in use is taken for forgotten."""

import threading
import time


class Touched:
    """Times by id, of the monotonic clock. Whoever removes a record forgets its id, also when its creation fails."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _times
        self._times: dict[str, float] = {}

    def note(self, identity: str) -> None:
        """Note that the engine named ``identity`` now."""
        with self._lock:
            self._times[identity] = time.monotonic()

    def forget(self, *identities: str) -> None:
        """Forget ids whose records are gone."""
        with self._lock:
            for identity in identities:
                self._times.pop(identity, None)

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
