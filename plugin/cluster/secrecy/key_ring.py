"""The keys of this host that are in use: one, and a second one while they change."""

from collections.abc import Callable, Collection, Sequence

import structlog

from plugin.cluster.secrecy import plan
from plugin.cluster.secrecy.key_file import Keys, OwnKey, new_key
from plugin.cluster.secrecy.links import SLOTS
from plugin.cluster.secrecy.records import HostKeys

log = structlog.get_logger()

GRACE = 3.0  # seconds for packets on their way, before the link with an old key goes
DAY = 86400  # seconds


class KeyRing:
    """Makes keys, each kept durably before it is used, and forgets them. ``wall`` and ``steady`` are clocks."""

    def __init__(self, file: Keys, wall: Callable[[], float], steady: Callable[[], float]) -> None:
        self._file = file
        self._wall = wall
        self._steady = steady
        self._over_at: float | None = None  # since when nobody needs the older of two keys
        self._keys: Sequence[OwnKey] | None = None  # None until they were read

    @property
    def keys(self) -> Sequence[OwnKey]:
        """The keys, read when they are first asked for; raises ``Failed``."""
        if self._keys is None:
            self._keys = tuple(self._file.read())
        return self._keys

    @property
    def newest(self) -> OwnKey:
        """The last key; there is one."""
        return max(self.keys, key=lambda key: key.generation)

    def need(self, generation: int) -> None:
        """Make a key of ``generation`` if there is none; raises ``Failed``."""
        if not self.keys:
            self.add(generation)

    def add(self, generation: int) -> None:
        """Make a key; raises ``Failed``."""
        taken = {key.slot for key in self.keys}
        free = next(slot for slot in SLOTS if slot not in taken)
        keys = (*self.keys, new_key(generation, free, int(self._wall())))
        self._file.write(keys)
        self._keys, self._over_at = keys, None
        log.info("key of WireGuard made", generation=generation)

    def clear(self) -> None:
        """Forget all keys; raises ``Failed``."""
        self._file.write(())
        self._keys, self._over_at = (), None

    def old(self, days: int) -> bool:
        """Return whether the only key is older than ``days``, by the clock of this host; never with 0.

        A key from the future was made while the clock was wrong, so that its age is not known: it counts as old.
        """
        return days > 0 and len(self.keys) == 1 and not -DAY < self._wall() - self.keys[0].made <= days * DAY

    def drop(self, sent: int, others: Collection[HostKeys]) -> OwnKey | None:
        """Forget the older of two keys when nobody has needed it for a moment, and return it; raises ``Failed``."""
        if not plan.is_over(self.keys, sent, others):
            self._over_at = None
            return None
        now = self._steady()
        self._over_at = now if self._over_at is None else self._over_at
        if now < self._over_at + GRACE:
            return None
        old, new = sorted(self.keys, key=lambda key: key.generation)
        self._file.write((new,))
        self._keys, self._over_at = (new,), None
        log.info("keys of WireGuard changed", generation=new.generation)
        return old
