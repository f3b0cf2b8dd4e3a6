"""Watches of ZooKeeper: one node tells that a kind changed, and what; who missed a change lists the kind anew."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from plugin.store.aside import Aside, Row
from plugin.store.base import Event, R
from plugin.store.remote.replay import Seen
from plugin.store.remote.watching import Watch, Watchers
from plugin.store.remote.zookeeper.client import Session

SILENCE = 30.0  # seconds after which the node is looked at although nothing was heard


class Nodes(Protocol):
    """What a watch needs of the store (``plugin.store.remote.zookeeper.store.ZooKeeperStore``)."""

    aside: Aside

    @property
    def session(self) -> Session:
        """The session that is asked."""

    def rows(self, kind: str, prefix: str = "") -> Sequence[Row]:
        """Return the rows of a kind."""

    def read(self, kind: str, keys: Sequence[str]) -> Sequence[Row]:
        """Return the rows with these keys, without a body where there is none."""

    def folder(self, kind: str) -> str:
        """Return the node above all records of a kind."""

    def pulse(self, kind: str) -> str:
        """Return the node that moves with every transaction of a kind."""


def watch_zookeeper(store: Nodes, watchers: Watchers, kind: type[R]) -> AbstractContextManager[Iterator[Event]]:
    """Watch a kind from now on."""

    def prepare(watch: Watch) -> Callable[[], object]:
        follower = _Follower(store, kind)
        return lambda: follower.follow(watch)

    return watchers.watch(prepare)


class _Follower:
    """``children`` are looked at as well for kinds whose records vanish with a session, which writes no pulse."""

    def __init__(self, store: Nodes, kind: type[R]) -> None:
        self._store = store
        self._kind = kind.kind
        self._vanishing = bool(getattr(kind, "vanishing", False))
        self._wake = threading.Event()
        self._beat, self._children = self._look()
        self._seen = Seen(kind, {row.key: row.revision for row in store.rows(kind.kind)}, store.aside)

    def follow(self, watch: Watch) -> bool:
        """Hand over events until the end; raises ``PynetError`` when ZooKeeper does not answer."""
        watch.on_end(self._wake.set)
        self._store.session.listen(self._wake.set)
        try:
            while not watch.ended:
                self._wake.clear()
                if not self._step(watch) and not watch.ended:
                    self._wake.wait(SILENCE)
        finally:
            self._store.session.unlisten(self._wake.set)
        return True

    def _step(self, watch: Watch) -> bool:
        """Hand over what changed since the last look; say whether anything did."""
        beat, children = self._look()
        before, self._beat = self._beat, beat
        same, self._children = self._children == children, children
        if same and beat == before:
            return False
        if same and before and beat and beat[2] is not None and beat[0] == before[0] + 1:
            self._told(watch, beat[2], beat[1])
        else:
            rows = self._store.rows(self._kind)
            watch.publish(self._seen.replace(rows, max([beat[1] if beat else 0, *(row.revision for row in rows)])))
        return True

    def _told(self, watch: Watch, keys: Sequence[str], revision: int) -> None:
        rows = [row if row.body is not None else Row(row.key, revision) for row in self._store.read(self._kind, keys)]
        watch.publish([event for row in rows for event in self._seen.apply(row)])

    def _look(self) -> "tuple[_Beat | None, tuple[str, ...]]":
        """Look at the pulse, and at the names of the records where they may vanish, and be woken by the next change."""
        pulse, folder = self._store.pulse(self._kind), self._store.folder(self._kind)
        calls: list[Any] = [lambda zoo: zoo.get_async(pulse, watch=self._woken)]
        calls.append(lambda zoo: zoo.exists_async(pulse, watch=self._woken))  # also while there is none
        if self._vanishing:
            calls.append(lambda zoo: zoo.get_children_async(folder, watch=self._woken))
        node, _, *names = self._store.session.ask("watch", *calls)
        children = tuple(sorted(names[0])) if names and names[0] else ()
        if node is None:
            return None, children
        return (node[1].version, node[1].mzxid, _keys(node[0])), children

    def _woken(self, _event: object) -> None:
        self._wake.set()


def _keys(data: bytes) -> Sequence[str] | None:
    """Return the keys that a pulse names; None when somebody else wrote it, and everything is to be listed."""
    try:
        keys = json.loads(data or b"[]")
    except (ValueError, RecursionError):
        return None
    return keys if isinstance(keys, list) and all(isinstance(key, str) for key in keys) else None


_Beat = tuple[int, int, Sequence[str] | None]  # version and mzxid of the pulse, keys of the last transaction
