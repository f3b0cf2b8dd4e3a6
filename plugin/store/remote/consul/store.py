"""The cluster store on Consul. One transaction takes 64 changes."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from plugin.errors import Busy
from plugin.store.base import ABSENT, Change, Event, R, Record, Versioned
from plugin.store.remote.address import Access, StoreAddress
from plugin.store.remote.cas import carried_out
from plugin.store.remote.consul.client import ConsulClient
from plugin.store.remote.consul.watch import watch_consul
from plugin.store.remote.subscriptions import Subscriptions
from plugin.store.rows import Aside, Write, changing, check_key, encode, prepare

ATTEMPTS = 16  # at a transaction that is refused although, a moment later, every record is at its expected revision
DENIED = "Permission denied"  # in a transaction Consul answers this with 409, as it does a revision that differs
SHORTEST = 10  # seconds; Consul takes no shorter time for a session


class ConsulStore:
    """See ``plugin.store.base.ClusterStore``. Nothing is asked before the first use."""

    def __init__(self, address: StoreAddress, access: Access) -> None:
        self._client = ConsulClient(address, access)
        self._subscriptions = Subscriptions()
        self._aside = Aside()
        self._session = ""

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        row = self._client.find(kind.kind, check_key(kind.kind, key))
        return None if row is None else self._aside.read(kind, row)

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        rows, _ = self._client.rows(kind.kind, check_key(kind.kind, prefix))
        return self._aside.read_all(kind, prefix, rows)

    def set_aside(self, kind: type[Record], prefix: str = "") -> Mapping[str, str]:
        return self._aside.keys(kind, prefix)

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none; most servers have flushed them when this returns."""
        writes = prepare(changes)
        places = {(write.kind, write.key): None for write in writes}
        checks = [operation for write in writes if (operation := self._check(write))]
        operations = [*checks, *(self._operation(write) for write in changing(writes).values())]
        repeated = False
        for _ in range(ATTEMPTS if writes else 0):
            answer = self._client.ask("write", "PUT", "/v1/txn", operations)
            if answer.status == 200:
                return
            if answer.status != 409 or DENIED in answer.text:
                raise self._client.refused("write", answer)
            repeated = repeated or answer.repeated
            found = {at: row for at in places if (row := self._client.find(*at)) is not None}
            if carried_out(writes, found, repeated=repeated):
                return
        if writes:
            raise Busy(f"write store '{self._client.http.address}': other hosts kept changing the same records")

    def watch(self, kind: type[R], prefix: str = "") -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on, through broken connections."""
        return watch_consul(self._client, self._aside, self._subscriptions, kind, check_key(kind.kind, prefix))

    def announce(self, record: Record, seconds: int) -> bool:
        """Write ``record`` so that it vanishes with a session, and renew the session.

        Consul ends a session after at most twice its time, so it is given half of ``seconds``.
        """
        body, path = encode(record), self._client.path(record.kind, record.key)
        if not self._renewed():
            options = {"TTL": f"{max(SHORTEST, seconds // 2)}s", "Behavior": "delete", "LockDelay": "0s"}
            made = self._client.order("write", "PUT", "/v1/session/create", options | {"NodeChecks": []})
            self._session = str(made.json()["ID"])
        held = self._client.find(record.kind, record.key, session=self._session)
        if held is not None and held.body == body:
            return True
        value = {"Key": path, "Value": base64.b64encode(body.encode()).decode(), "Session": self._session}
        operations = [{"KV": {"Verb": "delete", "Key": path}}, {"KV": {"Verb": "lock", **value}}]
        self._client.order("write", "PUT", "/v1/txn", operations)
        return False

    def ages(self, kind: type[R]) -> Mapping[str, float]:
        """Return nothing: Consul does not tell when a session was last renewed."""
        del kind
        return {}

    def close(self) -> None:
        self._client.http.close()
        self._subscriptions.close()

    def _renewed(self) -> bool:
        if not self._session:
            return False
        answer = self._client.ask("write", "PUT", f"/v1/session/renew/{self._session}")
        if answer.status not in (200, 404):
            raise self._client.refused("write", answer)
        return answer.status == 200

    def _check(self, write: Write) -> dict[str, Any] | None:
        if write.expect is None:
            return None
        path = self._client.path(write.kind, write.key)
        if write.expect == ABSENT:
            return {"KV": {"Verb": "check-not-exists", "Key": path}}
        return {"KV": {"Verb": "check-index", "Key": path, "Index": write.expect}}

    def _operation(self, write: Write) -> dict[str, Any]:
        path = self._client.path(write.kind, write.key)
        if write.body is None:
            return {"KV": {"Verb": "delete", "Key": path}}
        return {"KV": {"Verb": "set", "Key": path, "Value": base64.b64encode(write.body.encode()).decode()}}
