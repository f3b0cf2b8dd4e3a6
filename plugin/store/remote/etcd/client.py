"""Requests to etcd, through the JSON gateway that every etcd since 3.4 serves below /v3 (etcd docs, api_grpc_gateway).

Keys and values travel in base64, 64-bit numbers as text. A record is the value of ``/PREFIX/KIND/KEY``.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from plugin.errors import Failed
from plugin.store.remote.address import Access, StoreAddress
from plugin.store.remote.http import HttpAnswer, HttpEndpoints, HttpRequest
from plugin.store.rows import Row, as_text

PAGE = 1000  # records in one answer; a gateway's answer has a limit of some megabytes
UNAUTHENTICATED = 16  # gRPC codes
_UNAVAILABLE = (4, 14)
# Texts of etcd while it has no leader, under several codes (etcd api/v3rpc/rpctypes/error.go).
_MOMENTS = ("no leader", "leader changed", "request timed out", "not capable", "server stopped", "too many requests")
_LOGIN_AGAIN = ("invalid auth token", "user name is empty", "auth store is old", "revision of auth store is old")


def encode(data: bytes) -> str:
    """Write bytes as the gateway wants them."""
    return base64.b64encode(data).decode()


def decode(text: str) -> bytes:
    """Read bytes of the gateway."""
    return base64.b64decode(text)


def next_prefix(prefix: bytes) -> bytes:
    """Return the end of the range of all keys with ``prefix``; the last byte of UTF-8 text is never 255."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


class EtcdClient:
    """Asks etcd, and logs in when there is a user; a token that expired is replaced."""

    def __init__(self, address: StoreAddress, access: Access) -> None:
        self.http = HttpEndpoints(address, access, _only_for_the_moment)
        self._root = f"/{address.prefix}/"
        self._access = access
        self._token = ""

    def ask(self, action: str, path: str, body: Mapping[str, Any]) -> tuple[Any, bool]:
        """Return etcd's answer, and whether an earlier attempt of the same request may have been carried out.

        Raises:
            StoreAway: no endpoint answers in time.
            Failed: etcd refused.
        """
        answer = self.http.ask(action, self.request(path, body))
        if answer.status != 200 and self._access.user and _wants_login(answer):
            self._login()
            answer = self.http.ask(action, self.request(path, body))
        if answer.status != 200:
            raise Failed(f"{action} store '{self.http.address}': it refused: {error_of(answer)[1]}")
        return answer.json(), answer.repeated

    def request(self, path: str, body: Mapping[str, Any], **headers: str) -> HttpRequest:
        """Return a request that carries the token, if there is one."""
        if self._access.user and not self._token:
            self._login()
        return HttpRequest(
            "POST", f"/v3/{path}", body, headers | ({"Authorization": self._token} if self._token else {})
        )

    def forget_login(self) -> None:
        """Log in again before the next request."""
        self._token = ""

    def path(self, kind: str, key: str = "") -> bytes:
        """Return etcd's key of a record; without ``key`` the beginning of the keys of all records of the kind."""
        return f"{self._root}{kind}/{key}".encode()

    def row(self, kind: str, entry: Mapping[str, Any]) -> Row:
        """Return the record of an entry of an answer."""
        key = as_text(decode(entry["key"])[len(self.path(kind)) :])
        return Row(key, int(entry["mod_revision"]), as_text(decode(entry.get("value", ""))))

    def rows(self, kind: str, prefix: str = "", *, bodies: bool = True) -> tuple[Sequence[Row], int]:
        """Return the records of a kind as of one revision, and that revision; without ``bodies`` they are empty."""
        start = self.path(kind, prefix)
        end, revision = encode(next_prefix(start)), 0
        rows: list[Row] = []
        while True:
            body = {"key": encode(start), "range_end": end, "limit": str(PAGE), "revision": str(revision)}
            found, _ = self.ask("read", "kv/range", body | {"keys_only": not bodies})
            rows += [self.row(kind, entry) for entry in found.get("kvs", [])]
            revision = revision or int(found["header"]["revision"])
            if not found.get("more"):
                return rows, revision
            start = decode(found["kvs"][-1]["key"]) + b"\0"

    def _login(self) -> None:
        body = {"name": self._access.user, "password": self._access.password}
        answer = self.http.ask("log in to", HttpRequest("POST", "/v3/auth/authenticate", body))
        if answer.status != 200:
            raise Failed(
                f"log in to store '{self.http.address}' as '{self._access.user}': it refused: {error_of(answer)[1]}"
            )
        self._token = str(answer.json()["token"])


def error_of(answer: HttpAnswer) -> tuple[int, str]:
    """Return the gRPC code and the text of a refusal; the key of the text depends on etcd's version."""
    try:
        body = answer.json()
        return int(body.get("code", 0)), str(body.get("message") or body.get("error") or answer.text[:80])
    except (Failed, AttributeError, TypeError, ValueError):
        return 0, f"HTTP status {answer.status}"


def _wants_login(answer: HttpAnswer) -> bool:
    code, text = error_of(answer)
    return code == UNAUTHENTICATED or any(words in text for words in _LOGIN_AGAIN)


def _only_for_the_moment(answer: HttpAnswer) -> str:
    if answer.status == 200:
        return ""
    code, text = error_of(answer)
    return text if code in _UNAVAILABLE or answer.status == 503 or any(words in text for words in _MOMENTS) else ""
