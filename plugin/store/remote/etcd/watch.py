"""Watches of etcd: one connection each, on which etcd writes a line of JSON for every revision with changes."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from plugin.errors import Failed
from plugin.store.base import Event, R
from plugin.store.remote.etcd.client import EtcdClient, encode, next_prefix
from plugin.store.remote.following import EndpointFollower
from plugin.store.remote.http import keep_alive, send
from plugin.store.remote.subscriptions import SPREAD, KnownRevisions, Subscription, Subscriptions
from plugin.store.rows import Aside, Row

MANY = 1000  # records that etcd gives to some hundred hosts within ``SPREAD``; for more, it takes longer
SILENCE = 900.0  # seconds without a message after which the connection is given up; etcd sends one every 600
HAS_LEADER = {"Grpc-Metadata-hasleader": "true"}  # a server that is cut off from its cluster ends the watch


@dataclass(frozen=True, slots=True)
class Scope:
    """The records of ``kind`` whose keys begin with ``prefix``."""

    kind: str
    prefix: str = ""


def watch_etcd(
    client: EtcdClient, aside: Aside, subscriptions: Subscriptions, kind: type[R], prefix: str = ""
) -> AbstractContextManager[Iterator[Event]]:
    """Watch the records of a kind with ``prefix`` from the present revision on."""

    def prepare(watch: Subscription) -> Callable[[], object]:
        rows, revision = client.rows(kind.kind, prefix, bodies=False)
        known = KnownRevisions(kind, {row.key: row.revision for row in rows}, aside)
        watcher = EtcdWatcher(client, Scope(kind.kind, prefix), known, revision)
        return lambda: watcher.follow(watch)

    return subscriptions.watch(prepare)


class EtcdWatcher:
    """Follows a scope from ``revision`` on, at which its records were ``known``.

    ``chance`` (0 to 1) chooses the part of ``SPREAD``, for each ``MANY`` records, after which it lists again because of
    a compaction.
    """

    def __init__(
        self,
        client: EtcdClient,
        scope: Scope,
        known: KnownRevisions,
        revision: int,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._scope = scope
        self._known = known
        self._revision = revision  # up to which everything has been handed over
        self._chance = chance
        self._endpoint = EndpointFollower(client.http)

    def follow(self, watch: Subscription) -> bool:
        """Hand over events until the connection ends; raises ``StoreAway`` when it does so with an error."""
        return self._endpoint.follow(watch, lambda connection: self._read(watch, connection))

    def _read(self, watch: Subscription, connection: HTTPConnection) -> None:
        prefix = self._client.path(self._scope.kind, self._scope.prefix)
        create = {
            "key": encode(prefix),
            "range_end": encode(next_prefix(prefix)),
            # Begin with the last event that we have, not with the next one: when etcd has compacted everything up to
            # the next one, it tells only a watch that asks for less, and leaves out removals (etcd-io/etcd#19179).
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
                return self._cancelled(watch, message)
            self._take(watch, message["result"])
        return None

    def _take(self, watch: Subscription, result: dict[str, Any]) -> None:
        rows = [self._row_of(event) for event in result.get("events", [])]
        watch.publish([event for row in rows for event in self._known.apply(row)])
        if rows:  # the header may be ahead of the events that have been sent
            self._revision = max(self._revision, *(row.revision for row in rows))
        elif not result.get("created"):
            self._revision = max(self._revision, int(result["header"]["revision"]))

    def _cancelled(self, watch: Subscription, message: dict[str, Any]) -> None:
        """After a compaction the revisions in between are gone: report the difference to the present records."""
        result = message.get("result", {})
        if "compact_revision" not in result:
            reason = result.get("cancel_reason") or message.get("error", {}).get("message", "cancelled")
            raise Failed(f"watch store '{self._client.http.address}': {reason}")
        watch.pause(
            SPREAD * max(1.0, len(self._known) / MANY) * self._chance()
        )  # all hosts are told at the same moment
        rows, revision = self._client.rows(self._scope.kind, self._scope.prefix)
        watch.publish(self._known.replace(rows, revision))
        self._revision = revision

    def _row_of(self, event: dict[str, Any]) -> Row:
        row = self._client.row(self._scope.kind, event["kv"])
        return Row(row.key, row.revision) if event.get("type") == "DELETE" else row
