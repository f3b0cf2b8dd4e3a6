"""Watches of a remote store: for each, a thread follows the server and hands its events over until the watch ends."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import SimpleQueue

import structlog

from plugin.background.loop import Steady
from plugin.errors import PynetError
from plugin.store.base import Event, R, Unreadable
from plugin.store.rows import Aside, Row

log = structlog.get_logger()

SPREAD = 5.0  # seconds within which hosts list again, when all of them have to
BACK_OFF = (0.1, 2.0)  # seconds before a broken connection is made again: the first time, and at most


class Subscription:
    """One watch, as its thread sees it: takes the events, and tells when to stop."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        self._ended = threading.Event()
        self._guard = threading.Lock()  # guards _wake
        self._wake: Callable[[], object] = lambda: None

    @property
    def ended(self) -> bool:
        """Whether nobody listens any more."""
        return self._ended.is_set()

    def events(self) -> Iterator[Event]:
        """Yield events until the end; blocks."""
        return iter(self._queue.get, None)

    def publish(self, events: Sequence[Event]) -> None:
        """Hand events over."""
        for event in events:
            self._queue.put(event)

    def on_end(self, wake: Callable[[], object]) -> None:
        """Have ``wake`` called at the end, or at once if it has ended: it interrupts the thread's waiting."""
        with self._guard:
            self._wake = wake
            if self.ended:
                wake()

    def pause(self, seconds: float) -> None:
        """Wait for ``seconds`` or until the end."""
        self._ended.wait(seconds)

    def end(self) -> None:
        """End the watch; a second call does nothing."""
        with self._guard:
            self._ended.set()
            self._wake()
        self._queue.put(None)


class Subscriptions:
    """All watches of one store; they end with it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards _open and _closed
        self._open: list[Subscription] = []
        self._closed = False

    @contextmanager
    def watch(self, prepare: Callable[[Subscription], Callable[[], object]]) -> Iterator[Iterator[Event]]:
        """Watch for as long as the block lasts.

        ``prepare`` fixes the revision at which the watch begins. It returns a function that follows the server; the
        thread calls that again whenever it returns, as after the end of a connection, or raises ``PynetError``.
        """
        watch = Subscription()
        with self._guard:
            self._open.append(watch)
            closed = self._closed
        if closed:
            watch.end()
        else:
            follow = prepare(watch)
            threading.Thread(target=_run, args=(watch, follow), name="store watch", daemon=True).start()
        try:
            yield watch.events()
        finally:
            with self._guard:
                self._open.remove(watch)
            watch.end()

    def close(self) -> None:
        """End every watch, also those that begin later."""
        with self._guard:
            self._closed = True
            watches = list(self._open)
        for watch in watches:
            watch.end()


def _run(watch: Subscription, follow: Callable[[], object]) -> None:
    pause, steady = BACK_OFF[0], Steady()

    def once() -> None:
        nonlocal pause
        try:
            if follow():
                pause = BACK_OFF[0]
        except PynetError as error:
            if not watch.ended:
                log.debug("watch interrupted", error=str(error))

    while not watch.ended:
        steady.attempt("watch of the cluster store", once)
        watch.pause(pause)
        pause = min(2 * pause, BACK_OFF[1])


class KnownRevisions:
    """The records of one kind, by key. A record that cannot be read is reported as removed."""

    def __init__(self, kind: type[R], known: Mapping[str, int], aside: Aside) -> None:
        self._kind = kind
        self._aside = aside
        self._known = dict(known)

    def __len__(self) -> int:
        return len(self._known)

    def apply(self, row: Row) -> list[Event]:
        """Return the event of one change; none when it was reported already."""
        if row.body is None:
            self._aside.forget(self._kind.kind, row.key)
            return [self._removed(row.key, row.revision)] if self._known.pop(row.key, None) is not None else []
        if self._known.get(row.key, 0) >= row.revision:
            return []
        self._known[row.key] = row.revision
        try:
            record = self._aside.read(self._kind, row).record
        except Unreadable:  # a newer pynet on another host may write what this one cannot read
            return [self._removed(row.key, row.revision)]
        return [Event(self._kind.kind, row.key, record, row.revision)]

    def replace(self, rows: Iterable[Row], revision: int) -> Sequence[Event]:
        """Return the events between the last one and ``rows``, a listing of all records at ``revision``."""
        present = {row.key: row for row in rows}
        removed = [self._removed(key, revision) for key in sorted(set(self._known) - set(present))]
        for event in removed:
            del self._known[event.key]
        changed = sorted(present.values(), key=lambda row: row.revision)
        return [*removed, *(event for row in changed for event in self.apply(row))]

    def _removed(self, key: str, revision: int) -> Event:
        return Event(self._kind.kind, key, None, revision)
