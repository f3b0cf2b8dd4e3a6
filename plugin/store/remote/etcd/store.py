"""The cluster store on etcd 3.4 and later.

A record is the value of ``/PREFIX/KIND/KEY`` as JSON, its revision etcd's ``mod_revision``. A transaction of pynet is
one of etcd, so that etcd's limits hold: 128 changes (``--max-txn-ops``) and 1.5 MB.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from plugin.store.aside import Aside, Row, as_text
from plugin.store.base import ABSENT, Change, Event, R, Record, StoreConflict, Versioned
from plugin.store.codec import encode as encode_record
from plugin.store.remote.address import Access, StoreAddress
from plugin.store.remote.etcd.client import EtcdClient, decode, encode, next_prefix
from plugin.store.remote.etcd.watch import watch_etcd
from plugin.store.remote.watching import Watchers
from plugin.store.writes import Write, check, check_key, prepare

PAGE = 1000  # records in one answer; a gateway's answer has a limit of some megabytes


class EtcdStore:
    """See ``plugin.store.base.ClusterStore``. Nothing is asked before the first use."""

    def __init__(self, address: StoreAddress, access: Access) -> None:
        self._client = EtcdClient(address, access)
        self._root = f"/{address.prefix}/"
        self._watchers = Watchers()
        self.aside = Aside()
        self._lease = 0

    def get(self, kind: type[R], key: str) -> Versioned[R] | None:
        """Return the record, or None."""
        path = self._path(kind.kind, check_key(kind.kind, key))
        found, _ = self._client.ask("read", "kv/range", {"key": encode(path)})
        rows = found.get("kvs", [])
        return None if not rows else self.aside.read(kind, self._row(kind.kind, rows[0]))

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        """Return every record of ``kind`` whose key begins with ``prefix``, by key."""
        rows, _ = self.rows(kind.kind, check_key(kind.kind, prefix))
        return self.aside.read_all(kind, prefix, rows)

    def rows(self, kind: str, prefix: str = "", *, bodies: bool = True) -> tuple[Sequence[Row], int]:
        """Return the rows of a kind as of one revision, and that revision; without ``bodies`` they are empty."""
        start = self._path(kind, prefix)
        end, revision = encode(next_prefix(start)), 0
        rows: list[Row] = []
        while True:
            page: dict[str, Any] = {
                "key": encode(start),
                "range_end": end,
                "limit": str(PAGE),
                "revision": str(revision),
            }
            page["keys_only"] = not bodies
            found, _ = self._client.ask("read", "kv/range", page)
            rows += [self._row(kind, entry) for entry in found.get("kvs", [])]
            revision = revision or int(found["header"]["revision"])
            if not found.get("more"):
                return rows, revision
            start = decode(found["kvs"][-1]["key"]) + b"\0"

    def set_aside(self, kind: type[Record], prefix: str = "") -> Mapping[str, str]:
        """Return the keys of records that the last listing left out, and why."""
        return self.aside.keys(kind, prefix)

    def transact(self, *changes: Change) -> None:
        """Apply all changes or none; etcd has flushed them on most of its servers when this returns.

        When the connection broke on the first attempt, the second one is refused because the first was carried out:
        then everything stands in etcd as this transaction wanted it, which is taken as success. Records that two hosts
        may write with the same content therefore need something that tells the writers apart.

        Raises:
            StoreConflict: a record was not at the revision that was expected.
        """
        writes = prepare(changes)
        if not writes:
            return
        body = {
            "compare": [self._compare(write) for write in writes if write.expect is not None],
            "success": list({(write.kind, write.key): self._operation(write) for write in writes}.values()),
            "failure": [
                {"request_range": {"key": encode(self._path(*at))}} for at in {(w.kind, w.key): None for w in writes}
            ],
        }
        answer, repeated = self._client.ask("write", "kv/txn", body)
        if not answer.get("succeeded"):
            self._explain(writes, answer, repeated=repeated)

    def watch(self, kind: type[R]) -> AbstractContextManager[Iterator[Event]]:
        """Yield the changes of ``kind`` from now on, through broken connections and compactions."""
        return watch_etcd(self, self._client, self._watchers, kind)

    def prefix_of(self, kind: str) -> bytes:
        """Return the beginning of the keys of a kind."""
        return self._path(kind, "")

    def announce(self, record: Record, seconds: int) -> None:
        """Write ``record`` under a lease of etcd, made when there is none, and renew the lease."""
        if not self._renewed():
            granted, _ = self._client.ask("write", "lease/grant", {"TTL": str(seconds)})
            self._lease = int(granted["ID"])
        key, value = encode(self._path(record.kind, record.key)), encode(encode_record(record).encode())
        mine = {"key": key, "target": "LEASE", "result": "EQUAL", "lease": str(self._lease)}
        same = {"key": key, "target": "VALUE", "result": "EQUAL", "value": value}
        put = {"request_put": {"key": key, "value": value, "lease": str(self._lease)}}
        self._client.ask("write", "kv/txn", {"compare": [mine, same], "failure": [put]})

    def ages(self, kind: type[R]) -> Mapping[str, float]:
        """Return the seconds since each announced record of ``kind`` was renewed, whole ones, by key."""
        prefix = self._path(kind.kind, "")
        found, _ = self._client.ask(
            "read", "kv/range", {"key": encode(prefix), "range_end": encode(next_prefix(prefix)), "keys_only": True}
        )
        ages = {}
        for entry in found.get("kvs", []):
            lease, _ = self._client.ask("read", "lease/timetolive", {"ID": entry.get("lease", "0")})
            if int(lease.get("TTL", -1)) >= 0:
                ages[self._row(kind.kind, entry).key] = float(int(lease["grantedTTL"]) - int(lease["TTL"]))
        return ages

    def close(self) -> None:
        """Close connections and end the watches; a second call does nothing."""
        self._client.http.close()
        self._watchers.close()

    def _renewed(self) -> bool:
        if not self._lease:
            return False
        kept, _ = self._client.ask("write", "lease/keepalive", {"ID": str(self._lease)})
        return int(kept.get("result", {}).get("TTL", 0)) > 0

    def _path(self, kind: str, key: str) -> bytes:
        return f"{self._root}{kind}/{key}".encode()

    def _row(self, kind: str, entry: Mapping[str, Any]) -> Row:
        key = as_text(decode(entry["key"])[len(self._path(kind, "")) :])
        return Row(key, int(entry["mod_revision"]), as_text(decode(entry.get("value", ""))))

    def row_of_event(self, kind: str, event: Mapping[str, Any]) -> Row:
        """Return the row of an event of a watch."""
        row = self._row(kind, event["kv"])
        return Row(row.key, row.revision) if event.get("type") == "DELETE" else row

    def _compare(self, write: Write) -> dict[str, Any]:
        path = encode(self._path(write.kind, write.key))
        return {"key": path, "target": "MOD", "result": "EQUAL", "mod_revision": str(write.expect)}

    def _operation(self, write: Write) -> dict[str, Any]:
        path = encode(self._path(write.kind, write.key))
        if write.body is None:
            return {"request_delete_range": {"key": path}}
        return {"request_put": {"key": path, "value": encode(write.body.encode())}}

    def _explain(self, writes: Sequence[Write], answer: Mapping[str, Any], *, repeated: bool) -> None:
        """Raise the conflict of a transaction that was refused, unless an earlier attempt of it succeeded."""
        found: dict[tuple[str, str], Row] = {}
        paths = {self._path(write.kind, write.key): write for write in writes}
        for part in answer.get("responses", []):
            for entry in part["response_range"].get("kvs", []):
                write = paths[decode(entry["key"])]
                found[write.kind, write.key] = self._row(write.kind, entry)
        if repeated and _stands(writes, found):
            return
        for write in writes:
            row = found.get((write.kind, write.key))
            check(write, ABSENT if row is None else row.revision)
        raise StoreConflict(f"write store '{self._client.http.address}': a record changed meanwhile")


def _stands(writes: Sequence[Write], found: Mapping[tuple[str, str], Row]) -> bool:
    last = {(write.kind, write.key): write.body for write in writes}
    return all((row.body if (row := found.get(at)) else None) == body for at, body in last.items())
