"""Watches of Consul: a request that Consul answers with all records of the kind as soon as one of them changes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.client import HTTPConnection

from plugin.store.base import Event, R
from plugin.store.remote.consul.client import ConsulClient
from plugin.store.remote.following import EndpointFollower
from plugin.store.remote.http import HttpAnswer, keep_alive, send
from plugin.store.remote.subscriptions import KnownRevisions, Subscription, Subscriptions
from plugin.store.rows import Aside

WAIT = 60  # seconds that Consul holds a request that waits for a change


def watch_consul(
    client: ConsulClient, aside: Aside, subscriptions: Subscriptions, kind: type[R], prefix: str = ""
) -> AbstractContextManager[Iterator[Event]]:
    """Watch the records of a kind with ``prefix`` from now on."""

    def prepare(watch: Subscription) -> Callable[[], object]:
        rows, index = client.rows(kind.kind, prefix)
        known = KnownRevisions(kind, {row.key: row.revision for row in rows}, aside)
        watcher = _ConsulWatcher(client, (kind.kind, prefix), known, index)
        return lambda: watcher.follow(watch)

    return subscriptions.watch(prepare)


class _ConsulWatcher:
    def __init__(self, client: ConsulClient, scope: tuple[str, str], known: KnownRevisions, index: int) -> None:
        self._client = client
        self._kind, self._prefix = scope
        self._known = known
        self._index = index
        self._endpoint = EndpointFollower(client.http)

    def follow(self, watch: Subscription) -> bool:
        return self._endpoint.follow(watch, lambda connection: self._read(watch, connection))

    def _read(self, watch: Subscription, connection: HTTPConnection) -> None:
        keep_alive(connection)
        connection.sock.settimeout(WAIT * 2)  # Consul adds up to a sixteenth of the time
        while not watch.ended:
            query = f"recurse=true&index={self._index}&wait={WAIT}s"
            request = self._client.request("GET", f"{self._client.listing(self._kind, self._prefix)}?{query}")
            response = send(connection, request)
            text = response.read().decode()
            self._take(watch, HttpAnswer(response.status, text, dict(response.getheaders())))

    def _take(self, watch: Subscription, answer: HttpAnswer) -> None:
        rows, index = self._client.rows_of(self._kind, answer)
        if index != self._index:
            watch.publish(self._known.replace(rows, index))
        self._index = index if index >= self._index else 0  # it begins anew when servers are restored from a backup
