"""A cache of all records of one kind, updated by a watch: reading it never waits for the cluster store."""

import threading
from collections.abc import Callable
from typing import Generic

import structlog

from plugin.background.loop import Steady
from plugin.errors import PynetError
from plugin.store.base import Event, R, Store, Versioned

log = structlog.get_logger()

RETRY = 1.0  # seconds before a watch that broke is begun again


class RecordCache(Generic[R]):
    """The records of ``kind``; ``changed`` is called with the key of each that changed, and with "" after a listing."""

    def __init__(self, store: Store, kind: type[R], changed: Callable[[str], None]) -> None:
        self._store = store
        self._kind = kind
        self._changed = changed
        self._guard = threading.Lock()  # guards _records
        self._records: dict[str, Versioned[R]] = {}
        self.loaded = threading.Event()  # set once the records were listed
        self._stopped = threading.Event()
        self._broken = False

    def start(self) -> None:
        """List the records if the store answers, and watch them in a thread of their own."""
        threading.Thread(target=self._run, name=f"watch {self._kind.kind}", daemon=True).start()

    def stop(self) -> None:
        """Begin no further watch; the present one ends with the store."""
        self._stopped.set()

    def under(self, prefix: str) -> list[Versioned[R]]:
        """Return the records whose key begins with ``prefix``."""
        with self._guard:
            return [item for key, item in self._records.items() if key.startswith(prefix)]

    def _run(self) -> None:
        steady = Steady()
        while not self._stopped.is_set():
            steady.attempt(f"watch of {self._kind.kind}", self._follow)
            self._stopped.wait(RETRY)

    def _follow(self) -> None:
        try:
            with self._store.watch(self._kind) as events:
                self.load()
                if self._broken:
                    log.info("watch begun again", kind=self._kind.kind)
                self._broken = False
                for event in events:
                    self._take(event)
        except PynetError as error:
            if not self._broken:
                log.warning("watch broken, known entries stay", kind=self._kind.kind, error=str(error))
            self._broken = True

    def load(self) -> None:
        """Replace the cache by a listing: a watch that broke may have missed removals."""
        listed = {item.record.key: item for item in self._store.list(self._kind)}
        with self._guard:
            self._records = listed
        self.loaded.set()
        self._changed("")

    def _take(self, event: Event) -> None:
        with self._guard:
            known = self._records.get(event.key)
            if known and known.revision > event.revision:
                return  # the listing was later
            if event.record is None:
                self._records.pop(event.key, None)
            elif isinstance(event.record, self._kind):
                self._records[event.key] = Versioned(event.record, event.revision)
        self._changed(event.key)
