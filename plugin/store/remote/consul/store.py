"""The cluster store on Consul, through its HTTP API (Consul docs, /v1/kv, /v1/txn, /v1/session).

A record is the value of ``PREFIX/KIND/KEY`` with the key in percent-encoding, its revision Consul's ``ModifyIndex``.
One transaction takes 64 changes. Consul answers a watch with all records of the kind, whichever changed.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from plugin.errors import Busy, Failed
from plugin.store.aside import Aside, Row, as_text
from plugin.store.base import ABSENT, Change, Event, R, Record, StoreAway, Versioned
from plugin.store.codec import encode
from plugin.store.remote.address import Access, StoreAddress
from plugin.store.remote.http import Answer, HttpEndpoints, Request, keep_alive, send, shut
from plugin.store.remote.node_names import key_of, name_of
from plugin.store.remote.replay import Seen
from plugin.store.remote.watching import Watch, Watchers
from plugin.store.writes import Write, check, check_key, prepare

ATTEMPTS = 16  # at a transaction that was refused although everything stood as it should a moment later
WAIT = 60  # seconds that Consul keeps a question that waits for a change
CONNECT = 2.0  # seconds for an agent to accept it
DENIED = "Permission denied"  # Consul says so of a change in a transaction as it says that a revision differs: by 409
SHORTEST = 10  # seconds; Consul takes no shorter time for a session

_Found = Mapping[tuple[str, str], Row]


class ConsulStore:
    """See ``plugin.store.base.ClusterStore``. Nothing is asked before the first use."""

    def __init__(self, address: StoreAddress, access: Access) -> None:
        self.http = HttpEndpoints(address, access, _only_for_the_moment)
        self._headers = {"X-Consul-Token": access.password} if access.password else {}
        self._watchers = Watchers()
        self.aside = Aside()
        self._session = ""

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        """Return the record, or None."""
        row = self._find(kind.kind, check_key(kind.kind, key))
        return None if row is None else self.aside.read(kind, row)

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        """Return every record of ``kind`` whose key begins with ``prefix``, by key."""
        rows, _ = self._rows(kind.kind, check_key(kind.kind, prefix))
        return self.aside.read_all(kind, prefix, rows)

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
        last = {(write.kind, write.key): write for write in writes}
        checks = [operation for write in writes if (operation := self._check(write))]
        operations = [*checks, *(self._operation(write) for write in last.values())]
        repeated = False
        for _ in range(ATTEMPTS if writes else 0):
            answer = self.http.ask("write", Request("PUT", "/v1/txn", operations, self._headers))
            if answer.status == 200:
                return
            if answer.status != 409 or DENIED in answer.text:
                raise self._refused("write", answer)
            repeated = repeated or answer.repeated
            found = {at: row for at in last if (row := self._find(*at)) is not None}
            if repeated and _stands(last.values(), found):
                return
            for write in writes:
                row = found.get((write.kind, write.key))
                check(write, ABSENT if row is None else row.revision)
        if writes:
            raise Busy(f"write store '{self.http.address}': other hosts kept changing the same records")

    def watch(self, kind: type[R]) -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on, through broken connections."""

        def prepare_watch(watch: Watch) -> Callable[[], object]:
            rows, index = self._rows(kind.kind)
            follower = _Follower(self, kind, rows, index)
            return lambda: follower.follow(watch)

        return self._watchers.watch(prepare_watch)

    def announce(self, record: Record, seconds: int) -> None:
        """Write ``record`` so that it goes with a session, and renew the session.

        Consul ends a session at the latest after twice its time, which it is therefore given the half of.
        """
        body, path = encode(record), self._path(record.kind, record.key)
        if not self._renewed():
            options = {"TTL": f"{max(SHORTEST, seconds // 2)}s", "Behavior": "delete", "LockDelay": "0s"}
            made = self._ask("write", "PUT", "/v1/session/create", options | {"NodeChecks": []})
            self._session = str(made.json()["ID"])
        held = self._find(record.kind, record.key, session=self._session)
        if held is not None and held.body == body:
            return
        value = {"Key": path, "Value": base64.b64encode(body.encode()).decode(), "Session": self._session}
        operations = [{"KV": {"Verb": "delete", "Key": path}}, {"KV": {"Verb": "lock", **value}}]
        self._ask("write", "PUT", "/v1/txn", operations)

    def ages(self, kind: type[R]) -> Mapping[str, float]:
        """Nothing: Consul does not tell when a session was renewed last."""
        del kind
        return {}

    def close(self) -> None:
        """Close connections and end the watches; a second call does nothing."""
        self.http.close()
        self._watchers.close()

    def question(self, kind: str, index: int) -> Request:
        """Return how to ask for the rows of a kind once they differ from those at ``index``."""
        query = f"recurse=true&index={index}&wait={WAIT}s"
        return Request("GET", f"/v1/kv/{quote(self._folder(kind))}?{query}", None, self._headers)

    def rows_of(self, kind: str, answer: Answer) -> tuple[Sequence[Row], int]:
        """Return the rows of an answer to a listing, by key, and its index."""
        if answer.status not in (200, 404):
            raise self._refused("read", answer)
        entries = answer.json() if answer.status == 200 else []
        rows = [self._row(kind, entry) for entry in entries]
        index = int({name.lower(): value for name, value in answer.headers.items()}.get("x-consul-index", "0"))
        return sorted(rows, key=lambda row: row.key), index

    def _rows(self, kind: str, prefix: str = "") -> tuple[Sequence[Row], int]:
        path = quote(self._folder(kind) + name_of(prefix), safe="/")
        request = Request("GET", f"/v1/kv/{path}?recurse=true&consistent=true", None, self._headers)
        return self.rows_of(kind, self.http.ask("read", request))

    def _find(self, kind: str, key: str, session: str = "") -> Row | None:
        """Return a row, if there is one; with ``session`` only when that holds it."""
        path = f"/v1/kv/{quote(self._path(kind, key), safe='/')}?consistent=true"
        answer = self.http.ask("read", Request("GET", path, None, self._headers))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._refused("read", answer)
        (entry,) = answer.json()
        return None if session and entry.get("Session") != session else self._row(kind, entry)

    def _renewed(self) -> bool:
        if not self._session:
            return False
        request = Request("PUT", f"/v1/session/renew/{self._session}", None, self._headers)
        answer = self.http.ask("write", request)
        if answer.status not in (200, 404):
            raise self._refused("write", answer)
        return answer.status == 200

    def _ask(self, action: str, method: str, path: str, body: Any) -> Answer:
        answer = self.http.ask(action, Request(method, path, body, self._headers))
        if answer.status != 200:
            raise self._refused(action, answer)
        return answer

    def _refused(self, action: str, answer: Answer) -> Failed:
        # Of a transaction there is a list of what is wrong with each change.
        errors = answer.json().get("Errors") or [] if answer.status == 409 else []
        reason = ", ".join(dict.fromkeys(str(error["What"]) for error in errors)) or answer.text.strip()
        reason = reason[:200] or f"HTTP status {answer.status}"
        return Failed(f"{action} store '{self.http.address}': it refused: {reason}")

    def _folder(self, kind: str) -> str:
        return f"{self.http.address.prefix}/{kind}/"

    def _path(self, kind: str, key: str) -> str:
        return self._folder(kind) + name_of(key)

    def _row(self, kind: str, entry: Mapping[str, Any]) -> Row:
        key = key_of(str(entry["Key"])[len(self._folder(kind)) :])
        return Row(key, int(entry["ModifyIndex"]), as_text(base64.b64decode(entry["Value"] or "")))

    def _check(self, write: Write) -> dict[str, Any] | None:
        if write.expect is None:
            return None
        path = self._path(write.kind, write.key)
        if write.expect == ABSENT:
            return {"KV": {"Verb": "check-not-exists", "Key": path}}
        return {"KV": {"Verb": "check-index", "Key": path, "Index": write.expect}}

    def _operation(self, write: Write) -> dict[str, Any]:
        path = self._path(write.kind, write.key)
        if write.body is None:
            return {"KV": {"Verb": "delete", "Key": path}}
        return {"KV": {"Verb": "set", "Key": path, "Value": base64.b64encode(write.body.encode()).decode()}}


class _Follower:
    def __init__(self, store: ConsulStore, kind: type[R], rows: Sequence[Row], index: int) -> None:
        self._store = store
        self._kind = kind.kind
        self._seen = Seen(kind, {row.key: row.revision for row in rows}, store.aside)
        self._index = index
        self._endpoint = 0

    def follow(self, watch: Watch) -> bool:
        """Hand over events until the connection ends."""
        http = self._store.http
        try:
            with closing(http.connect(self._endpoint, CONNECT)) as connection:
                watch.on_end(lambda: shut(connection))
                keep_alive(connection)
                connection.sock.settimeout(WAIT * 2)  # Consul adds up to a sixteenth of the time
                while not watch.ended:
                    response = send(connection, self._store.question(self._kind, self._index))
                    text = response.read().decode()
                    self._hear(watch, Answer(response.status, text, dict(response.getheaders())))
        except (OSError, HTTPException, Failed) as error:
            # A server that has lost its cluster answers too, with an error: another one may know more.
            self._endpoint = (self._endpoint + 1) % len(http.address.endpoints)
            raise StoreAway(f"watch store '{http.address}': {error}") from error
        finally:
            watch.on_end(lambda: None)
        return True

    def _hear(self, watch: Watch, answer: Answer) -> None:
        rows, index = self._store.rows_of(self._kind, answer)
        if index != self._index:
            watch.publish(self._seen.replace(rows, index))
        self._index = index if index >= self._index else 0  # it begins anew when servers are restored from a backup


def _only_for_the_moment(answer: Answer) -> str:
    text = answer.text.strip()[:200]
    electing = answer.status == 500 and ("no cluster leader" in text.lower() or "rpc error" in text.lower())
    return text or f"HTTP status {answer.status}" if electing or answer.status in (429, 503) else ""


def _stands(writes: Any, found: _Found) -> bool:
    return all((row.body if (row := found.get((write.kind, write.key))) else None) == write.body for write in writes)
