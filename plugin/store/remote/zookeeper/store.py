"""The cluster store on ZooKeeper 3.5 and later.

A record is the node ``/PREFIX/KIND/KEY`` with the key in percent-encoding, its revision the node's ``mzxid``. ZooKeeper
compares only a node's own version, which begins anew when a node is removed and made again; so every removal moves the
version of ``/PREFIX/.clock``, and a transaction that expects revisions checks that no removal came in between.

kazoo can watch nodes one by one only. Every transaction writes the names of what it changed into one more node,
``/PREFIX/.pulse/KIND``, and a watch follows that one.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from kazoo import exceptions as zk
from kazoo.client import KazooClient

from plugin.errors import Busy
from plugin.store.aside import Aside, Row, as_text
from plugin.store.base import ABSENT, Change, Event, R, Record, Versioned
from plugin.store.codec import encode
from plugin.store.remote.address import Access, StoreAddress
from plugin.store.remote.node_names import key_of, name_of
from plugin.store.remote.patience import OPERATION, deadline, within
from plugin.store.remote.watching import Watchers
from plugin.store.remote.zookeeper.client import AWAY, Session
from plugin.store.remote.zookeeper.watch import watch_zookeeper
from plugin.store.writes import Write, check, check_key, prepare

SESSION = 6.0  # seconds of silence after which another server is tried
TOGETHER = 200  # nodes that are read at once

Place = tuple[str, str]  # kind and key


class ZooKeeperStore:
    """See ``plugin.store.base.ClusterStore``. Nothing is asked before the first use."""

    def __init__(self, address: StoreAddress, access: Access) -> None:
        self._address = address
        self._access = access
        self.session = Session(address, access, SESSION)
        self._presence: Session | None = None
        self._root = f"/{address.prefix}"
        self._folders: set[str] = set()
        self._watchers = Watchers()
        self.aside = Aside()

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        """Return the record, or None."""
        (row,) = self.read(kind.kind, [check_key(kind.kind, key)])
        return None if row.body is None else self.aside.read(kind, row)

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        """Return every record of ``kind`` whose key begins with ``prefix``, by key."""
        rows = self.rows(kind.kind, check_key(kind.kind, prefix))
        return self.aside.read_all(kind, prefix, rows)

    def rows(self, kind: str, prefix: str = "") -> Sequence[Row]:
        """Return the rows of a kind, by key."""
        folder = self.folder(kind)
        _, names = self.session.ask("read", _sync(folder), lambda zoo: zoo.get_children_async(folder))
        keys = sorted(key for key in map(key_of, names or []) if key.startswith(prefix))
        parts = (self.read(kind, keys[at : at + TOGETHER]) for at in range(0, len(keys), TOGETHER))
        return [row for part in parts for row in part if row.body is not None]

    def read(self, kind: str, keys: Sequence[str]) -> Sequence[Row]:
        """Return the rows with these keys, without a body where there is none."""
        found = self._nodes([(kind, key) for key in keys])
        return [_row(key, node) for (_, key), node in found.items()]

    def set_aside(self, kind: type[Record], prefix: str = "") -> Mapping[str, str]:
        """Return the keys of records that the last listing left out, and why."""
        return self.aside.keys(kind, prefix)

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none; most servers have flushed them when this returns.

        A connection that breaks meanwhile is treated as in ``plugin.store.remote.etcd.store``.

        Raises:
            StoreConflict: a record was not at the revision that was expected.
        """
        writes = prepare(changes)
        repeated, until = False, deadline(OPERATION)
        with within(OPERATION):
            while writes:
                for kind in {write.kind for write in writes}:
                    self._make_folders(kind)
                clock, found = self._clock(), self._nodes([(write.kind, write.key) for write in writes])
                if repeated and _stands(writes, found):
                    return
                for write in writes:
                    check(write, _row("", found[write.kind, write.key]).revision)
                done = self._commit(writes, found, clock, until)
                if done:
                    return
                repeated = repeated or done is None
                if time.monotonic() >= until:
                    raise Busy(f"write store '{self._address}': other hosts kept changing the same records")

    def watch(self, kind: type[R]) -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on, through broken connections and ended sessions."""
        return watch_zookeeper(self, self._watchers, kind)

    def announce(self, record: Record, seconds: int) -> None:
        """Write ``record`` as an ephemeral node of a session that lives for ``seconds`` without a word."""
        if self._presence is None:
            self._presence = Session(self._address, self._access, seconds)
        presence, path, body = self._presence, self.path(record.kind, record.key), encode(record).encode()
        self._make_folders(record.kind)
        (node,) = presence.ask("read", _get(path))
        if node is not None and node[1].ephemeralOwner == presence.id and node[0] == body:
            return

        def write(zoo: KazooClient) -> Any:
            transaction = zoo.transaction()
            if node is not None:
                transaction.delete(path)
            transaction.create(path, body, ephemeral=True)
            transaction.set_data(self.pulse(record.kind), _names([record.key]))
            return transaction.commit_async()

        (results,) = presence.ask("write", write)
        if any(isinstance(result, Exception) for result in results):
            self._folders.clear()  # somebody emptied the store, or wrote the record; the next call sees which

    def ages(self, kind: type[R]) -> Mapping[str, float]:
        """Nothing: ZooKeeper does not tell when a session was heard last."""
        del kind
        return {}

    def close(self) -> None:
        """End the sessions and the watches; a second call does nothing."""
        self._watchers.close()
        for session in (self.session, self._presence):
            if session is not None:
                session.close()

    def folder(self, kind: str) -> str:
        """Return the node above all records of a kind."""
        return f"{self._root}/{kind}"

    def pulse(self, kind: str) -> str:
        """Return the node that moves with every transaction of a kind."""
        return f"{self._root}/.pulse/{kind}"

    def path(self, kind: str, key: str) -> str:
        """Return the node of a record."""
        return f"{self._root}/{kind}/{name_of(key)}"

    def _clock(self) -> int:
        (node,) = self.session.ask("read", _get(f"{self._root}/.clock"))
        return -1 if node is None else int(node[1].version)  # there is none when somebody emptied the store

    def _nodes(self, places: Sequence[Place]) -> dict[Place, Any]:
        """Return data and stat of nodes, None for those that are not there, as of now and not of a moment ago."""
        calls = [_get(self.path(*place)) for place in places]
        found = self.session.ask("read", _sync(self._root), *calls)[1:]
        return dict(zip(places, found, strict=True))

    def _commit(self, writes: Sequence[Write], found: Mapping[Place, Any], clock: int, until: float) -> bool | None:
        """Try to write; False when somebody was faster, None when the connection broke and nobody knows."""
        last = {(write.kind, write.key): write for write in writes}
        moving = {at: write for at, write in last.items() if write.body is not None or found[at] is not None}
        if not moving:
            return True

        def write(zoo: KazooClient) -> Any:
            transaction = zoo.transaction()
            if any(write.expect for write in writes):
                transaction.check(f"{self._root}/.clock", clock)
            for at, write in moving.items():
                _add(transaction, self.path(*at), write, found[at])
            if any(write.body is None for write in moving.values()):
                transaction.set_data(f"{self._root}/.clock", b"")
            for kind in sorted({kind for kind, _ in moving}):
                transaction.set_data(self.pulse(kind), _names([key for at, key in moving if at == kind]))
            return transaction.commit_async()

        try:
            (results,) = self.session.once("write", until, write)
        except AWAY:
            return None
        if not any(isinstance(result, Exception) for result in results):
            return True
        if any(isinstance(result, zk.NoNodeError) for result in results):
            self._folders.clear()  # somebody emptied the store
        return False

    def _make_folders(self, kind: str) -> None:
        if kind not in self._folders:
            paths = (self.folder(kind), self.pulse(kind), f"{self._root}/.clock")
            self.session.ask("write", *(lambda zoo, path=path: zoo.ensure_path_async(path) for path in paths))
            self._folders.add(kind)


def _names(keys: Sequence[str]) -> bytes:
    return json.dumps(keys).encode()


def _sync(path: str) -> Any:
    # A server that is behind the others catches up before it answers what is asked after this.
    return lambda zoo: zoo.sync_async(path)


def _get(path: str) -> Any:
    return lambda zoo: zoo.get_async(path)


def _row(key: str, node: Any) -> Row:
    return Row(key, ABSENT) if node is None else Row(key, node[1].mzxid, as_text(node[0]))


def _add(transaction: Any, path: str, write: Write, node: Any) -> None:
    version = node[1].version if node is not None and write.expect else -1
    if write.body is None:
        transaction.delete(path, version)
    elif node is None:
        transaction.create(path, write.body.encode())
    else:
        transaction.set_data(path, write.body.encode(), version)


def _stands(writes: Sequence[Write], found: Mapping[Place, Any]) -> bool:
    last = {(write.kind, write.key): write.body for write in writes}
    return all(_row("", found[at]).body == body for at, body in last.items())
