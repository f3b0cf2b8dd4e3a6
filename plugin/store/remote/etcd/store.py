"""The cluster store on etcd 3.4 and later.

The revision of a record is etcd's ``mod_revision``. A transaction of pynet is one transaction of etcd, so etcd's limits
apply: 128 changes (``--max-txn-ops``) and 1.5 MB.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from plugin.store.base import Change, Event, R, Record, StoreConflict, Versioned
from plugin.store.remote.address import Access, StoreAddress
from plugin.store.remote.cas import carried_out
from plugin.store.remote.etcd.client import EtcdClient, decode, encode, next_prefix
from plugin.store.remote.etcd.watch import watch_etcd
from plugin.store.remote.subscriptions import Subscriptions
from plugin.store.rows import Aside, Row, Write, changing, check_key, prepare
from plugin.store.rows import encode as encode_record


class EtcdStore:
    """See ``plugin.store.base.ClusterStore``. Nothing is asked before the first use."""

    def __init__(self, address: StoreAddress, access: Access) -> None:
        self._client = EtcdClient(address, access)
        self._subscriptions = Subscriptions()
        self._aside = Aside()
        self._lease = 0

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        path = self._client.path(kind.kind, check_key(kind.kind, key))
        found, _ = self._client.ask("read", "kv/range", {"key": encode(path)})
        rows = found.get("kvs", [])
        return None if not rows else self._aside.read(kind, self._client.row(kind.kind, rows[0]))

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        rows, _ = self._client.rows(kind.kind, check_key(kind.kind, prefix))
        return self._aside.read_all(kind, prefix, rows)

    def set_aside(self, kind: type[Record], prefix: str = "") -> Mapping[str, str]:
        return self._aside.keys(kind, prefix)

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none; etcd has flushed them on most of its servers when this returns."""
        writes = prepare(changes)
        if not writes:
            return
        body = {
            "compare": [self._compare(write) for write in writes if write.expect is not None],
            "success": [self._operation(write) for write in changing(writes).values()],
            "failure": [
                {"request_range": {"key": encode(self._client.path(*at))}}
                for at in {(write.kind, write.key): None for write in writes}
            ],
        }
        answer, repeated = self._client.ask("write", "kv/txn", body)
        if not answer.get("succeeded"):
            self._explain(writes, answer, repeated=repeated)

    def watch(self, kind: type[R], prefix: str = "") -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on, through broken connections and compactions."""
        return watch_etcd(self._client, self._aside, self._subscriptions, kind, check_key(kind.kind, prefix))

    def announce(self, record: Record, seconds: int) -> bool:
        """Write ``record`` under a lease of etcd, and renew the lease, which is made when there is none.

        A record that is there under the lease is only read: renewals and reads write no entry to etcd's log, but a
        transaction does, even if it changes nothing, and all servers flush it.
        """
        path, body = self._client.path(record.kind, record.key), encode_record(record).encode()
        if not self._renewed():
            granted, _ = self._client.ask("write", "lease/grant", {"TTL": str(seconds)})
            self._lease = int(granted["ID"])
        elif self._has(path, body):
            return True
        put = {"key": encode(path), "value": encode(body), "lease": str(self._lease)}
        self._client.ask("write", "kv/put", put)
        return False

    def ages(self, kind: type[R]) -> Mapping[str, float]:
        """Return the seconds since each announced record of ``kind`` was renewed, whole ones, by key."""
        prefix = self._client.path(kind.kind)
        found, _ = self._client.ask(
            "read", "kv/range", {"key": encode(prefix), "range_end": encode(next_prefix(prefix)), "keys_only": True}
        )
        ages = {}
        for entry in found.get("kvs", []):
            lease, _ = self._client.ask("read", "lease/timetolive", {"ID": entry.get("lease", "0")})
            if int(lease.get("TTL", -1)) >= 0:
                ages[self._client.row(kind.kind, entry).key] = float(int(lease["grantedTTL"]) - int(lease["TTL"]))
        return ages

    def close(self) -> None:
        self._client.http.close()
        self._subscriptions.close()

    def _renewed(self) -> bool:
        if not self._lease:
            return False
        kept, _ = self._client.ask("write", "lease/keepalive", {"ID": str(self._lease)})
        return int(kept.get("result", {}).get("TTL", 0)) > 0

    def _has(self, path: bytes, body: bytes) -> bool:
        """Return whether etcd has exactly this under our lease."""
        found, _ = self._client.ask("read", "kv/range", {"key": encode(path)})
        rows = found.get("kvs", [])
        return bool(rows) and (rows[0].get("lease"), rows[0].get("value")) == (str(self._lease), encode(body))

    def _compare(self, write: Write) -> dict[str, Any]:
        path = encode(self._client.path(write.kind, write.key))
        return {"key": path, "target": "MOD", "result": "EQUAL", "mod_revision": str(write.expect)}

    def _operation(self, write: Write) -> dict[str, Any]:
        path = encode(self._client.path(write.kind, write.key))
        if write.body is None:
            return {"request_delete_range": {"key": path}}
        return {"request_put": {"key": path, "value": encode(write.body.encode())}}

    def _explain(self, writes: Sequence[Write], answer: Mapping[str, Any], *, repeated: bool) -> None:
        """Raise ``StoreConflict`` for a transaction that was refused, unless an earlier attempt of it succeeded."""
        found: dict[tuple[str, str], Row] = {}
        paths = {self._client.path(write.kind, write.key): write for write in writes}
        for part in answer.get("responses", []):
            for entry in part["response_range"].get("kvs", []):
                write = paths[decode(entry["key"])]
                found[write.kind, write.key] = self._client.row(write.kind, entry)
        if not carried_out(writes, found, repeated=repeated):
            raise StoreConflict(f"write store '{self._client.http.address}': a record changed meanwhile")
