"""Watches of etcd: one connection each, on which etcd writes a line of JSON for every revision with changes."""

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from plugin.errors import Failed
from plugin.store.aside import Aside, Row
from plugin.store.base import Event, R, StoreAway
from plugin.store.remote.etcd.client import EtcdClient, encode, next_prefix
from plugin.store.remote.http import keep_alive, send, shut
from plugin.store.remote.replay import Seen
from plugin.store.remote.watching import Watch, Watchers

CONNECT = 2.0  # seconds for an endpoint to begin a watch
SILENCE = 900.0  # seconds without a word after which the connection is given up; etcd says something every 600
HAS_LEADER = {"Grpc-Metadata-hasleader": "true"}  # a server that is cut off from its cluster ends the watch


class Rows(Protocol):
    """What a watch needs of the store (``plugin.store.remote.etcd.store.EtcdStore``)."""

    aside: Aside

    def rows(self, kind: str, prefix: str = "", *, bodies: bool = True) -> tuple[Sequence[Row], int]:
        """Return the rows of a kind as of one revision, and that revision; without ``bodies`` they are empty."""

    def row_of_event(self, kind: str, event: dict[str, Any]) -> Row:
        """Return the row of an event."""

    def prefix_of(self, kind: str) -> bytes:
        """Return the beginning of the keys of a kind."""


def watch_etcd(
    store: Rows, client: EtcdClient, watchers: Watchers, kind: type[R]
) -> AbstractContextManager[Iterator[Event]]:
    """Watch a kind from the present revision on."""

    def prepare(watch: Watch) -> Callable[[], object]:
        rows, revision = store.rows(kind.kind, bodies=False)
        follower = _Follower(store, client, kind, rows, revision)
        return lambda: follower.follow(watch)

    return watchers.watch(prepare)


class _Follower:
    def __init__(self, store: Rows, client: EtcdClient, kind: type[R], rows: Sequence[Row], revision: int) -> None:
        self._store = store
        self._client = client
        self._kind = kind.kind
        self._seen = Seen(kind, {row.key: row.revision for row in rows}, store.aside)
        self._revision = revision  # up to which everything has been handed over
        self._endpoint = client.http.first

    def follow(self, watch: Watch) -> bool:
        """Hand over events until the connection ends; say whether there was a connection at all."""
        try:
            connection = self._client.http.connect(self._endpoint, CONNECT)
        except OSError as error:
            self._endpoint = (self._endpoint + 1) % len(self._client.http.address.endpoints)
            raise StoreAway(f"watch store '{self._client.http.address}': {error}") from error
        watch.on_end(lambda: shut(connection))
        try:
            return self._read(watch, connection)
        except (OSError, http.client.HTTPException, ValueError, Failed) as error:
            # A server that has lost its cluster answers too, with an error: another one may know more.
            self._endpoint = (self._endpoint + 1) % len(self._client.http.address.endpoints)
            raise StoreAway(f"watch store '{self._client.http.address}': {error}") from error
        finally:
            watch.on_end(lambda: None)
            connection.close()

    def _read(self, watch: Watch, connection: http.client.HTTPConnection) -> bool:
        prefix = self._store.prefix_of(self._kind)
        create = {
            "key": encode(prefix),
            "range_end": encode(next_prefix(prefix)),
            # The one that was seen last comes again and is known: when etcd forgot everything up to the next one, it
            # says so only to who asks for less, and leaves removals out otherwise (etcd-io/etcd#19179).
            "start_revision": str(self._revision),
            "progress_notify": True,
        }
        response = send(connection, self._client.request("watch", {"create_request": create}, **HAS_LEADER))
        if response.status != 200:
            self._client.forget_login()
            raise Failed(f"watch store '{self._client.http.address}': HTTP status {response.status}")
        keep_alive(connection)
        connection.sock.settimeout(SILENCE)
        while line := response.readline():
            message = json.loads(line)
            if "result" not in message or message["result"].get("canceled"):
                self._cancelled(watch, message)
                return True
            self._hear(watch, message["result"])
        return True

    def _hear(self, watch: Watch, result: dict[str, Any]) -> None:
        rows = [self._store.row_of_event(self._kind, event) for event in result.get("events", [])]
        watch.publish([event for row in rows for event in self._seen.apply(row)])
        if rows:  # the header may be ahead of what has been told by now
            self._revision = max(self._revision, *(row.revision for row in rows))
        elif not result.get("created"):
            self._revision = max(self._revision, int(result["header"]["revision"]))

    def _cancelled(self, watch: Watch, message: dict[str, Any]) -> None:
        """After a compaction the revisions in between are gone; the present tells what became of them."""
        result = message.get("result", {})
        if "compact_revision" not in result:
            reason = result.get("cancel_reason") or message.get("error", {}).get("message", "cancelled")
            raise Failed(f"watch store '{self._client.http.address}': {reason}")
        rows, revision = self._store.rows(self._kind)
        watch.publish(self._seen.replace(rows, revision))
        self._revision = revision
