"""The keys of all hosts, as a watch of the cluster store hands them over."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from plugin.cluster.secrecy.records import HostKeys
from plugin.store.base import Event, Record, Versioned


class KnownKeys:
    """Keeps the records, for several threads; ``changed`` is called after each change."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards _records
        self._records: dict[str, Versioned[HostKeys]] | None = None
        self.changed: Callable[[], object] = lambda: None

    @property
    def loaded(self) -> bool:
        """Whether the records were listed."""
        return self._records is not None

    @property
    def records(self) -> Sequence[HostKeys]:
        """The records of all hosts, none before they were listed."""
        with self._guard:
            return [item.record for item in (self._records or {}).values()]

    def of(self, host: str) -> HostKeys | None:
        """Return the record of a host."""
        return next((record for record in self.records if record.host == host), None)

    def forget(self) -> None:
        """Begin anew: nobody follows the records any more."""
        with self._guard:
            self._records = None

    def listed(self, kind: type[Record], prefix: str, items: Sequence[Versioned[Any]]) -> None:
        """Take the records of all hosts."""
        del kind, prefix
        with self._guard:
            self._records = {item.record.host: item for item in items}
        self.changed()

    def heard(self, event: Event) -> None:
        """Take a change of the record of one host; an older one is passed over."""
        with self._guard:
            old = self._records.get(event.key) if self._records is not None else None
            if self._records is not None and (old is None or old.revision <= event.revision):
                self._records.pop(event.key, None)
                if isinstance(event.record, HostKeys):
                    self._records[event.key] = Versioned(event.record, event.revision)
        self.changed()
