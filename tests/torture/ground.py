"""The state of a host with a crowd, without the crowd: all that differs from the moment when the crowd was alone."""

import time
from pathlib import Path

from tests.torture.snapshot import look

RESTS = 0.7  # seconds without a change after which nothing happens any more: the reaper gathers for 0.3
PATIENCE = 30.0  # seconds to come to rest
TOMBSTONE = "record tombstone"  # begins the line of a link that waits to be deleted


class Ground:
    """Remembers the host of this process's namespace, and the store in ``state``."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._lines = frozenset(look(state))

    def look(self) -> list[str]:
        """Return a line for each thing that came since, and for each that was lost or is another now."""
        now = frozenset(look(self._state))
        return [*sorted(now - self._lines), *(f"lost: {line}" for line in sorted(self._lines - now))]

    def rest(self) -> list[str]:
        """Wait until nothing changes any more, and return the last look."""
        end, seen = time.monotonic() + PATIENCE, self.look()
        while time.monotonic() < end:
            time.sleep(RESTS)
            before, seen = seen, self.look()
            if seen == before and not any(line.startswith(TOMBSTONE) for line in seen):
                break
        return seen
