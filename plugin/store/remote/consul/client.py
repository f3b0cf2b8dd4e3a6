"""Requests to Consul through its HTTP API (Consul docs, /v1/kv, /v1/txn, /v1/session).

A record is the value of ``PREFIX/KIND/KEY`` with the key in percent-encoding, its revision Consul's ``ModifyIndex``.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from plugin.errors import Failed
from plugin.store.remote.address import Access, StoreAddress, key_of, name_of
from plugin.store.remote.http import HttpAnswer, HttpEndpoints, HttpRequest
from plugin.store.rows import Row, as_text


class ConsulClient:
    """Asks Consul; every request carries the token, if there is one."""

    def __init__(self, address: StoreAddress, access: Access) -> None:
        self.http = HttpEndpoints(address, access, _only_for_the_moment)
        self._headers = {"X-Consul-Token": access.password} if access.password else {}

    def ask(self, action: str, method: str, path: str, body: Any = None) -> HttpAnswer:
        """Return Consul's answer, whatever its status; raises ``StoreAway`` when no endpoint answers in time."""
        return self.http.ask(action, self.request(method, path, body))

    def order(self, action: str, method: str, path: str, body: Any = None) -> HttpAnswer:
        """Return Consul's answer; raises ``Failed`` when it refuses, and as ``ask`` does."""
        answer = self.ask(action, method, path, body)
        if answer.status != 200:
            raise self.refused(action, answer)
        return answer

    def request(self, method: str, path: str, body: Any = None) -> HttpRequest:
        """Return a request with the token."""
        return HttpRequest(method, path, body, self._headers)

    def refused(self, action: str, answer: HttpAnswer) -> Failed:
        """Return the error for an answer that is a refusal."""
        # For a transaction Consul lists an error for each change.
        errors = answer.json().get("Errors") or [] if answer.status == 409 else []
        reason = ", ".join(dict.fromkeys(str(error["What"]) for error in errors)) or answer.text.strip()
        reason = reason[:200] or f"HTTP status {answer.status}"
        return Failed(f"{action} store '{self.http.address}': it refused: {reason}")

    def folder(self, kind: str) -> str:
        """Return the beginning of Consul's keys of all records of a kind."""
        return f"{self.http.address.prefix}/{kind}/"

    def path(self, kind: str, key: str) -> str:
        """Return Consul's key of a record."""
        return self.folder(kind) + name_of(key)

    def find(self, kind: str, key: str, session: str = "") -> Row | None:
        """Return a record, or None; with ``session`` only a record that this session holds."""
        answer = self.ask("read", "GET", f"/v1/kv/{quote(self.path(kind, key), safe='/')}?consistent=true")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self.refused("read", answer)
        (entry,) = answer.json()
        return None if session and entry.get("Session") != session else self._row(kind, entry)

    def rows(self, kind: str, prefix: str = "") -> tuple[Sequence[Row], int]:
        """Return the records of a kind, by key, and the index of the listing."""
        path = self.listing(kind, prefix)
        return self.rows_of(kind, self.ask("read", "GET", f"{path}?recurse=true&consistent=true"))

    def listing(self, kind: str, prefix: str = "") -> str:
        """Return the path of a request for all records of a kind whose keys begin with ``prefix``."""
        return f"/v1/kv/{quote(self.folder(kind) + name_of(prefix), safe='/')}"

    def rows_of(self, kind: str, answer: HttpAnswer) -> tuple[Sequence[Row], int]:
        """Return the records of an answer to a listing, by key, and its index."""
        if answer.status not in (200, 404):
            raise self.refused("read", answer)
        entries = answer.json() if answer.status == 200 else []
        rows = [self._row(kind, entry) for entry in entries]
        index = int({name.lower(): value for name, value in answer.headers.items()}.get("x-consul-index", "0"))
        return sorted(rows, key=lambda row: row.key), index

    def _row(self, kind: str, entry: Mapping[str, Any]) -> Row:
        key = key_of(str(entry["Key"])[len(self.folder(kind)) :])
        return Row(key, int(entry["ModifyIndex"]), as_text(base64.b64decode(entry["Value"] or "")))


def _only_for_the_moment(answer: HttpAnswer) -> str:
    text = answer.text.strip()[:200]
    electing = answer.status == 500 and ("no cluster leader" in text.lower() or "rpc error" in text.lower())
    return text or f"HTTP status {answer.status}" if electing or answer.status in (429, 503) else ""
