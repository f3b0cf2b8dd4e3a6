"""Removals for the cluster store: stored on this host first, and carried out in order, now or when the store is back.

So a container can be stopped while the cluster store is away, and nothing is lost if pynet is killed at that moment. A
caller carries out only its own removals, and only while no others wait. Those that wait are carried out in the
background (``plugin.cluster.addresses.upkeep``), a few at a time, so that callers get in between.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import structlog

from netlink.deadline import remaining, within
from plugin.cluster.addresses.records import QueuedRemoval
from plugin.errors import Busy, PynetError
from plugin.store.base import (
    CHUNK,
    Change,
    ClusterStore,
    Put,
    Record,
    Remove,
    Store,
    StoreAway,
    StoreConflict,
    Unreadable,
)
from plugin.store.rows import encode

log = structlog.get_logger()

PATIENCE = 1.0  # seconds that a caller waits for the cluster store before the removal is left to the background
SENDING_WAIT = 20.0  # seconds to wait for another thread that carries out removals


class Outbox:
    """The queue of this host's removals, of records of ``kinds``."""

    def __init__(self, local: Store, shared: ClusterStore, kinds: Iterable[type[Record]]) -> None:
        self._local = local
        self._shared = shared
        self._kinds = {kind.kind: kind for kind in kinds}
        self._sending = FairLock()  # held by the thread that carries out removals
        self._guard = threading.Lock()  # guards everything below, and keeps the order of the writes
        self._entries: dict[int, QueuedRemoval] | None = None  # waiting removals by number, once they were read
        self._next = 1
        self._behind = False  # whether removals are left to the background, so that new ones queue behind them
        self.on_left: Callable[[], object] = lambda: None  # called when a removal is left to the background

    def remove(self, *removals: Remove, also: Sequence[Change] = ()) -> bool:
        """Remove records from the cluster store; return whether that is done, and not left to the background.

        ``also`` are changes of the host's own store, made in the transaction that stores the removals.
        """
        return self._queue([QueuedRemoval(0, r.kind.kind, r.key, "", r.expect) for r in removals], also)

    def take_back(self, *records: Record, also: Sequence[Change] = ()) -> bool:
        """Remove records that are exactly these, as ``remove`` does; records that others wrote in their place stay."""
        return self._queue([QueuedRemoval(0, record.kind, record.key, encode(record)) for record in records], also)

    def keep(self, *records: Record) -> None:
        """Cancel the removals of records that are exactly these, because they are about to be written again.

        Raises:
            Busy: another thread carries out removals for too long.
        """
        bodies = {(record.kind, record.key): encode(record) for record in records}

        def doomed() -> list[QueuedRemoval]:
            return [
                q for q in self._waiting().values() if q.body and bodies.get((q.record_kind, q.record_key)) == q.body
            ]

        with self._guard:
            if not doomed():
                return
        with self._sending.hold(remaining(SENDING_WAIT)):
            with self._guard:
                found = doomed()
            self._drop(found)

    @property
    def pending(self) -> Sequence[QueuedRemoval]:
        """The removals that have not been carried out."""
        with self._guard:
            return list(self._waiting().values())

    def flush(self) -> None:
        """Carry out all removals, in order; one that is refused stays in the queue, and the others go on.

        Raises:
            StoreAway: the cluster store does not answer.
            PynetError: the first refusal, if there was one.
        """
        refusal: PynetError | None = None
        last = 0
        while batch := self._after(last):
            last = batch[-1].number
            refused = self._carry_out(batch)
            refusal = refusal or refused
        if refusal is not None:
            raise refusal

    def _after(self, last: int) -> Sequence[QueuedRemoval]:
        """Return the removals behind number ``last``; if there are none, callers carry out their own again."""
        with self._guard:
            batch = list(islice((queued for number, queued in self._waiting().items() if number > last), CHUNK))
            self._behind = bool(batch)
            return batch

    def _queue(self, entries: Sequence[QueuedRemoval], also: Sequence[Change]) -> bool:
        with self._guard:
            waiting = self._waiting()
            numbered = [self._numbered(entry) for entry in entries]
            self._local.transact(*map(Put, numbered), *also)
            waiting.update({queued.number: queued for queued in numbered})
            behind = self._behind
        if not behind and self._carry_out_own(numbered):
            return True
        self.on_left()
        return False

    def _carry_out_own(self, entries: Sequence[QueuedRemoval]) -> bool:
        """Return whether that was done within ``PATIENCE``."""
        try:
            with within(PATIENCE):
                for start in range(0, len(entries), CHUNK):
                    refusal = self._carry_out(entries[start : start + CHUNK])
                    if refusal is not None:
                        raise refusal
        except PynetError as error:
            log.warning("removal left for later", error=str(error))
            with self._guard:
                self._behind = True
            return False
        return True

    def _waiting(self) -> dict[int, QueuedRemoval]:
        if self._entries is None:
            self._entries = {item.record.number: item.record for item in self._local.list(QueuedRemoval)}
            self._next = max(self._entries, default=0) + 1
            self._behind = bool(self._entries)
        return self._entries

    def _numbered(self, entry: QueuedRemoval) -> QueuedRemoval:
        number, self._next = self._next, self._next + 1
        return QueuedRemoval(number, entry.record_kind, entry.record_key, entry.body, entry.expect)

    def _carry_out(self, batch: Sequence[QueuedRemoval]) -> PynetError | None:
        """Carry out together, or each alone when that is refused; return the first refusal.

        Raises:
            StoreAway: the cluster store does not answer.
            Busy: another thread carries out removals for too long.
        """
        with self._sending.hold(remaining(SENDING_WAIT)):
            try:
                self._remove(batch)
            except StoreAway:
                raise
            except PynetError as error:
                refusal = error
            else:
                return None
        if len(batch) == 1:
            return refusal
        refusals = [self._carry_out([queued]) for queued in batch]
        return next((refusal for refusal in refusals if refusal is not None), None)

    def _remove(self, batch: Sequence[QueuedRemoval]) -> None:
        with self._guard:
            batch = [queued for queued in batch if queued.number in self._waiting()]
        found = [removal for queued in batch if (removal := self._removal(queued)) is not None]
        removals = {(removal.kind, removal.key): removal for removal in found}
        try:
            if removals:
                self._shared.transact(*removals.values())
        except StoreConflict:
            if len(batch) > 1:
                raise
            # another record is there by now, which is not ours to remove
        self._drop(batch)

    def _drop(self, batch: Sequence[QueuedRemoval]) -> None:
        if batch:
            self._local.transact(*(Remove(QueuedRemoval, queued.key) for queued in batch))
        with self._guard:
            for queued in batch:
                self._waiting().pop(queued.number, None)

    def _removal(self, queued: QueuedRemoval) -> Remove | None:
        """Return the change that removes the record, None when there is nothing to remove."""
        kind = self._kinds.get(queued.record_kind)
        if kind is None:
            log.warning("removal of an unknown kind of record dropped", kind=queued.record_kind, key=queued.record_key)
            return None
        if not queued.body:
            return Remove(kind, queued.record_key, queued.expect)
        try:
            found = self._shared.get(kind, queued.record_key)
        except Unreadable:
            return None  # it is not the record that this host wrote
        if found is None or encode(found.record) != queued.body:
            return None
        return Remove(kind, queued.record_key, found.revision)


class FairLock:
    """A lock that threads get in the order in which they asked, unlike the locks of ``threading``."""

    def __init__(self) -> None:
        self._change = threading.Condition()  # guards _waiting
        self._waiting: deque[object] = deque()  # the first one holds the lock

    @contextmanager
    def hold(self, seconds: float) -> Iterator[None]:
        """Hold the lock in this block; wait for it ``seconds`` at most.

        Raises:
            Busy: the threads before this one took longer.
        """
        ticket = object()
        try:
            with self._change:
                self._waiting.append(ticket)
                if not self._change.wait_for(lambda: self._waiting[0] is ticket, max(0.0, seconds)):
                    raise Busy(f"wait for other removals: they take longer than {seconds:.1f} s")
            yield
        finally:
            with self._change:
                self._waiting.remove(ticket)
                self._change.notify_all()
