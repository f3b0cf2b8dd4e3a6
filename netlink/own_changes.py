"""Remembers our own recent changes, because netlink notifications do not say which process made a change."""

import threading
import time

MADE, GONE, SET = "made", "gone", "set"
# Seconds until the notification comes: at once for what is made or set, but a deletion may wait for other work.
MEMORY = {MADE: 0.5, GONE: 3.0, SET: 0.5}
MOST = 1024  # entries before the old ones are forgotten


class OwnChanges:
    """Links that this process makes or deletes, addresses that it deletes, and settings that it sets, each by its name.

    ``memory`` gives for each of ``MADE``, ``GONE`` and ``SET`` the seconds after which it is forgotten.
    """

    def __init__(self, memory: dict[str, float] = MEMORY) -> None:
        self._memory = memory
        self._lock = threading.Lock()  # guards _until
        self._until: dict[tuple[str, str], float] = {}

    def record(self, what: str, *names: str) -> None:
        """Remember that this process makes, deletes or sets ``names`` now."""
        now = time.monotonic()
        with self._lock:
            if len(self._until) > MOST:
                self._until = {key: until for key, until in self._until.items() if until > now}
            self._until.update(dict.fromkeys(((what, name) for name in names), now + self._memory[what]))

    def is_recent(self, what: str, name: str) -> bool:
        """Return whether this process made, deleted or set ``name`` a moment ago."""
        with self._lock:
            return self._until.get((what, name), 0.0) > time.monotonic()
