"""The cluster store on ZooKeeper 3.5 and later; ``plugin.store.remote.zookeeper.nodes`` describes its nodes."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from kazoo import exceptions as zk
from kazoo.client import KazooClient

from netlink.deadline import end_of, within
from plugin.errors import Busy
from plugin.store.base import ABSENT, Change, Event, R, Record, Versioned
from plugin.store.remote.address import Access, StoreAddress
from plugin.store.remote.cas import carried_out
from plugin.store.remote.patience import OPERATION
from plugin.store.remote.subscriptions import Subscriptions
from plugin.store.remote.zookeeper.client import AWAY, Session
from plugin.store.remote.zookeeper.nodes import Node, Nodes, Place, get, row_of
from plugin.store.remote.zookeeper.watch import watch_zookeeper
from plugin.store.rows import Aside, Write, changing, check_key, encode, prepare

SESSION = 6.0  # seconds of silence after which another server is tried


class ZooKeeperStore:
    """See ``plugin.store.base.ClusterStore``. Nothing is asked before the first use."""

    def __init__(self, address: StoreAddress, access: Access) -> None:
        self._address = address
        self._access = access
        self._session = Session(address, access, SESSION)
        self._presence: Session | None = None
        self._nodes = Nodes(self._session, address.prefix)
        self._subscriptions = Subscriptions()
        self._aside = Aside()

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        (row,) = self._nodes.read(kind.kind, [check_key(kind.kind, key)])
        return None if row.body is None else self._aside.read(kind, row)

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        rows = self._nodes.rows(kind.kind, check_key(kind.kind, prefix))
        return self._aside.read_all(kind, prefix, rows)

    def set_aside(self, kind: type[Record], prefix: str = "") -> Mapping[str, str]:
        return self._aside.keys(kind, prefix)

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none; most servers have flushed them when this returns."""
        writes = prepare(changes)
        repeated, until = False, end_of(OPERATION)
        with within(OPERATION):
            while writes:
                for kind in {write.kind for write in writes}:
                    self._nodes.make_folders(kind)
                clock, found = self._nodes.clock_version(), self._nodes.find([(w.kind, w.key) for w in writes])
                rows = {at: row_of(at[1], node) for at, node in found.items()}
                if carried_out(writes, rows, repeated=repeated):
                    return
                done = self._commit(writes, found, clock, until)
                if done:
                    return
                repeated = repeated or done is None
                if time.monotonic() >= until:
                    raise Busy(f"write store '{self._address}': other hosts kept changing the same records")

    def watch(self, kind: type[R], prefix: str = "") -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on, through broken connections and ended sessions."""
        return watch_zookeeper(self._nodes, self._aside, self._subscriptions, kind, check_key(kind.kind, prefix))

    def announce(self, record: Record, seconds: int) -> bool:
        """Write ``record`` as an ephemeral node of a session that ends after ``seconds`` without a message."""
        if self._presence is None:
            self._presence = Session(self._address, self._access, seconds)
        presence, path, body = self._presence, self._nodes.path(record.kind, record.key), encode(record).encode()
        self._nodes.make_folders(record.kind)
        (node,) = presence.ask("read", get(path))
        if node is not None and node[1].ephemeralOwner == presence.id and node[0] == body:
            return True

        def write(zoo: KazooClient) -> Any:
            transaction = zoo.transaction()
            if node is not None:
                transaction.delete(path)
            transaction.create(path, body, ephemeral=True)
            transaction.set_data(self._nodes.pulse(record.kind), _names([record.key]))
            return transaction.commit_async()

        (results,) = presence.ask("write", write)
        if any(isinstance(result, Exception) for result in results):
            self._nodes.forget_folders()  # somebody emptied the store, or wrote the record; the next call sees which
        return False

    def ages(self, kind: type[R]) -> Mapping[str, float]:
        """Return nothing: ZooKeeper does not tell when it last heard of a session."""
        del kind
        return {}

    def close(self) -> None:
        """End the sessions and the watches; a second call does nothing."""
        self._subscriptions.close()
        for session in (self._session, self._presence):
            if session is not None:
                session.close()

    def _commit(self, writes: Sequence[Write], found: Mapping[Place, Node], clock: int, until: float) -> bool | None:
        """Return whether it was written: False when somebody else was faster, None when the connection broke."""
        moving = {at: w for at, w in changing(writes).items() if w.body is not None or found[at] is not None}
        resting = [write for write in writes if write.only_expects or (write.kind, write.key) not in moving]
        if not moving:
            return True

        def write(zoo: KazooClient) -> Any:
            transaction = zoo.transaction()
            if any(write.expect for write in writes):
                transaction.check(self._nodes.clock, clock)
            for write in resting:
                _expect(transaction, self._nodes.path(write.kind, write.key), write, found[write.kind, write.key])
            for at, write in moving.items():
                _add(transaction, self._nodes.path(*at), write, found[at])
            if any(write.body is None for write in moving.values()):
                transaction.set_data(self._nodes.clock, b"")
            for kind in sorted({kind for kind, _ in moving}):
                transaction.set_data(self._nodes.pulse(kind), _names([key for at, key in moving if at == kind]))
            return transaction.commit_async()

        try:
            (results,) = self._session.once("write", until, write)
        except AWAY:
            return None
        return self._carried_out(results)

    def _carried_out(self, results: Sequence[Any]) -> bool:
        if any(isinstance(result, zk.NoNodeError) for result in results):
            self._nodes.forget_folders()  # somebody emptied the store
        return not any(isinstance(result, Exception) for result in results)


def _names(keys: Sequence[str]) -> bytes:
    return json.dumps(keys).encode()


def _expect(transaction: Any, path: str, write: Write, node: Node) -> None:
    """Refuse the transaction if a node that it leaves alone has changed since it was read.

    ZooKeeper has no check for a node's absence, and makes no node a second time.
    """
    if node is not None:
        transaction.check(path, node[1].version)
    elif write.expect == ABSENT:
        transaction.create(path, b"")
        transaction.delete(path)


def _add(transaction: Any, path: str, write: Write, node: Node) -> None:
    version = node[1].version if node is not None and write.expect else -1
    if write.body is None:
        transaction.delete(path, version)
    elif node is None:
        transaction.create(path, write.body.encode())
    else:
        transaction.set_data(path, write.body.encode(), version)
