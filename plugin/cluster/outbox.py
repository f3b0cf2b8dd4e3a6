"""Removals for the cluster store: written down on this host first, carried out in order, now or when it is back.

So a container can be stopped while the cluster store is away, and a pynet that is killed at that moment forgets
nothing.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import structlog

from plugin.cluster.host_records import Queued
from plugin.errors import PynetError
from plugin.store.base import Change, ClusterStore, Put, Record, Remove, Store, StoreAway, StoreConflict, Unreadable
from plugin.store.codec import encode
from plugin.store.remote.patience import within

log = structlog.get_logger()

PATIENCE = 1.0  # seconds that a caller waits for the cluster store before the removal is left to the background


class Outbox:
    """The queue of this host's removals. ``kinds`` are the records that may be in it."""

    def __init__(self, local: Store, shared: ClusterStore, kinds: Iterable[type[Record]]) -> None:
        self._local = local
        self._shared = shared
        self._kinds = {kind.kind: kind for kind in kinds}
        self._numbers = threading.Lock()  # guards _next, and keeps the order of the writes
        self._next: int | None = None
        self._turn = threading.Lock()  # held by whoever carries out
        self._away_until = 0.0
        self.on_left: Callable[[], object] = lambda: None  # called when something is left to the background

    def remove(self, *removals: Remove, also: Sequence[Change] = ()) -> bool:
        """Remove records from the cluster store; say whether that was done when this returns.

        ``also`` is changed in the host's own store, in the transaction that writes the removals down.
        """
        return self._queue([Queued(0, r.kind.kind, r.key, "", r.expect) for r in removals], also)

    def take_back(self, *records: Record, also: Sequence[Change] = ()) -> bool:
        """As ``remove``, of records that are exactly these; what others wrote in their place stays."""
        return self._queue([Queued(0, record.kind, record.key, encode(record)) for record in records], also)

    @property
    def pending(self) -> Sequence[Queued]:
        """What has not been carried out."""
        return [item.record for item in self._local.list(Queued)]

    def flush(self) -> None:
        """Carry out everything, in order; raises ``StoreAway`` when the cluster store does not answer."""
        with self._turn:
            for queued in self.pending:
                self._carry_out(queued)
                self._local.transact(Remove(Queued, queued.key))
            self._away_until = 0.0

    def _queue(self, entries: Sequence[Queued], also: Sequence[Change]) -> bool:
        with self._numbers:
            numbered = [self._numbered(entry) for entry in entries]
            self._local.transact(*map(Put, numbered), *also)
        if time.monotonic() >= self._away_until:
            try:
                with within(PATIENCE):
                    self.flush()
            except PynetError as error:
                log.warning("removal left for later", error=str(error), waiting=len(self.pending))
                self._away_until = time.monotonic() + PATIENCE if isinstance(error, StoreAway) else 0.0
            else:
                return True
        self.on_left()
        return False

    def _numbered(self, entry: Queued) -> Queued:
        if self._next is None:
            self._next = max((queued.number for queued in self.pending), default=0) + 1
        number, self._next = self._next, self._next + 1
        return Queued(number, entry.record_kind, entry.record_key, entry.body, entry.expect)

    def _carry_out(self, queued: Queued) -> None:
        kind = self._kinds.get(queued.record_kind)
        if kind is None:
            log.warning("removal of an unknown kind of record dropped", kind=queued.record_kind, key=queued.record_key)
            return
        expect = queued.expect
        if queued.body:
            try:
                found = self._shared.get(kind, queued.record_key)
            except Unreadable:
                return  # it is not the one that this host wrote
            if found is None or encode(found.record) != queued.body:
                return
            expect = found.revision
        try:
            self._shared.transact(Remove(kind, queued.record_key, expect))
        except StoreConflict:
            return  # another record stands there by now, and is not ours to remove
