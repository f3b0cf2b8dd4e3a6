"""Watches of ZooKeeper: one node tells that a kind changed, and which records; after a gap the kind is listed again."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from plugin.store.base import Event, R
from plugin.store.remote.subscriptions import KnownRevisions, Subscription, Subscriptions
from plugin.store.remote.zookeeper.client import Call
from plugin.store.remote.zookeeper.nodes import Nodes
from plugin.store.rows import Aside, Row

SILENCE = 30.0  # seconds after which the node is read although ZooKeeper reported no change

_Pulse = tuple[int, int, Sequence[str] | None]  # version and mzxid of the node, keys of the last transaction


def watch_zookeeper(
    nodes: Nodes, aside: Aside, subscriptions: Subscriptions, kind: type[R], prefix: str = ""
) -> AbstractContextManager[Iterator[Event]]:
    """Watch the records of a kind with ``prefix`` from now on."""

    def prepare(watch: Subscription) -> Callable[[], object]:
        watcher = _ZooKeeperWatcher(nodes, aside, kind, prefix)
        return lambda: watcher.follow(watch)

    return subscriptions.watch(prepare)


class _ZooKeeperWatcher:
    """Reads the names of the records too if they vanish with a session, because that writes no pulse."""

    def __init__(self, nodes: Nodes, aside: Aside, kind: type[R], prefix: str) -> None:
        self._session = nodes.session
        self._nodes = nodes
        self._kind = kind.kind
        self._prefix = prefix
        self._vanishing = bool(getattr(kind, "vanishing", False))
        self._wake = threading.Event()
        self._pulse, self._children = self._read()
        self._known = KnownRevisions(kind, {row.key: row.revision for row in nodes.rows(kind.kind, prefix)}, aside)

    def follow(self, watch: Subscription) -> bool:
        """Hand over events until the end; raises ``PynetError`` when ZooKeeper does not answer."""
        watch.on_end(self._wake.set)
        self._session.listen(self._wake.set)
        try:
            while not watch.ended:
                self._wake.clear()
                if not self._step(watch) and not watch.ended:
                    self._wake.wait(SILENCE)
        finally:
            self._session.unlisten(self._wake.set)
        return True

    def _step(self, watch: Subscription) -> bool:
        """Hand over the changes since the last call; return whether there were any."""
        pulse, children = self._read()
        before, self._pulse = self._pulse, pulse
        same, self._children = self._children == children, children
        if same and pulse == before:
            return False
        if same and before and pulse and pulse[2] is not None and pulse[0] == before[0] + 1:
            self._publish(watch, pulse[2], pulse[1])
        else:
            rows = self._nodes.rows(self._kind, self._prefix)
            watch.publish(self._known.replace(rows, max([pulse[1] if pulse else 0, *(row.revision for row in rows)])))
        return True

    def _publish(self, watch: Subscription, keys: Sequence[str], revision: int) -> None:
        mine = [key for key in keys if key.startswith(self._prefix)]
        rows = [row if row.body is not None else Row(row.key, revision) for row in self._nodes.read(self._kind, mine)]
        watch.publish([event for row in rows for event in self._known.apply(row)])

    def _read(self) -> tuple[_Pulse | None, tuple[str, ...]]:
        """Return the pulse, and the names of the records if they may vanish; the next change of either wakes us."""
        pulse, folder = self._nodes.pulse(self._kind), self._nodes.folder(self._kind)
        calls: list[Call] = [lambda zoo: zoo.get_async(pulse, watch=self._woken)]
        calls.append(lambda zoo: zoo.exists_async(pulse, watch=self._woken))  # also while there is none
        if self._vanishing:
            calls.append(lambda zoo: zoo.get_children_async(folder, watch=self._woken))
        node, _, *names = self._session.ask("watch", *calls)
        children = tuple(sorted(names[0])) if names and names[0] else ()
        if node is None:
            return None, children
        return (node[1].version, node[1].mzxid, _keys(node[0])), children

    def _woken(self, _event: object) -> None:
        self._wake.set()


def _keys(data: bytes) -> Sequence[str] | None:
    """Return the keys in a pulse; None when another program wrote it, so that everything has to be listed."""
    try:
        keys = json.loads(data or b"[]")
    except (ValueError, RecursionError):
        return None
    return keys if isinstance(keys, list) and all(isinstance(key, str) for key in keys) else None
