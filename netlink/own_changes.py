"""What this process does itself: the kernel's word about a change does not say who made it."""

import threading
import time

MADE, GONE, SET = "made", "gone", "set"
# Seconds in which word of it comes: what is made is told in the same call, a deletion may wait for other work.
MEMORY = {MADE: 0.5, GONE: 3.0, SET: 0.5}
MOST = 1024  # entries before the old ones are forgotten


class OwnChanges:
    """Links that this process makes or deletes, addresses it deletes, settings it sets: by what and name, for a while.

    ``memory`` is how long, in seconds for each of ``MADE``, ``GONE`` and ``SET``.
    """

    def __init__(self, memory: dict[str, float] = MEMORY) -> None:
        self._memory = memory
        self._lock = threading.Lock()  # guards _until
        self._until: dict[tuple[str, str], float] = {}

    def record(self, what: str, *names: str) -> None:
        """Remember that ``names`` are being made, deleted or set."""
        now = time.monotonic()
        with self._lock:
            if len(self._until) > MOST:
                self._until = {key: until for key, until in self._until.items() if until > now}
            self._until.update(dict.fromkeys(((what, name) for name in names), now + self._memory[what]))

    def is_recent(self, what: str, name: str) -> bool:
        """Say whether ``name`` was made, deleted or set here a moment ago."""
        with self._lock:
            return self._until.get((what, name), 0.0) > time.monotonic()
