"""As much of Consul's HTTP API as pynet uses, in this process: keys, transactions, sessions, questions that wait.

Written after Consul's documentation of /v1/kv, /v1/txn and /v1/session (1.8 and later); what pynet must not rely on is
refused: a transaction of more than 64 operations, a session shorter than 10 s, an unknown verb.
"""

import json
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LIMIT = 64  # operations of a transaction
SHORTEST = 10.0  # seconds of a session


class Refused(Exception):
    """An answer that is no success: status and text."""


class Data:
    """Keys and sessions; ``index`` grows with every change."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.index = 10
        self.keys: dict[str, dict[str, Any]] = {}
        self.removed: dict[str, int] = {}  # index of the last removal below a prefix
        self.sessions: dict[str, tuple[float, float]] = {}  # time to live, end

    def under(self, prefix: str, *, recurse: bool) -> Sequence[dict[str, Any]]:
        return [row for key, row in sorted(self.keys.items()) if key == prefix or (recurse and key.startswith(prefix))]

    def last_change(self, prefix: str) -> int:
        """Consul answers with the index of the last change below a prefix, and never with one that is lower."""
        return max(
            [int(row["ModifyIndex"]) for row in self.under(prefix, recurse=True)] + [self.removed.get(prefix, 1)]
        )

    def expire(self) -> None:
        now = time.monotonic()
        for session in [session for session, (_, end) in self.sessions.items() if end < now]:
            self.end(session)

    def end(self, session: str) -> None:
        """End a session; keys that it holds are deleted (Behavior: delete)."""
        del self.sessions[session]
        for key in [key for key, row in self.keys.items() if row.get("Session") == session]:
            self.index += 1
            self.delete(key)
        self.changed.notify_all()

    def delete(self, key: str) -> None:
        if self.keys.pop(key, None) is not None:
            for at in range(len(key) + 1):
                self.removed[key[:at]] = self.index

    def transact(self, operations: Sequence[Mapping[str, Any]]) -> None:
        if len(operations) > LIMIT:
            raise Refused(413, f"Transaction contains too many operations ({len(operations)} > {LIMIT})")
        before = {key: dict(row) for key, row in self.keys.items()}
        self.index += 1
        try:
            for operation in operations:
                self._apply(operation["KV"])
        except Refused:
            self.keys = before
            self.index -= 1
            raise
        self.changed.notify_all()

    def _apply(self, operation: Mapping[str, Any]) -> None:
        verb, key = operation["Verb"], operation["Key"]
        row = self.keys.get(key)
        if verb == "check-not-exists":
            self._demand(row is None, f"key {key!r} exists")
        elif verb == "check-index":
            self._demand(row is not None and row["ModifyIndex"] == operation["Index"], "current modify index differs")
        elif verb == "delete":
            self.delete(key)
        elif verb in ("set", "lock"):
            new = {"Key": key, "Value": operation["Value"], "CreateIndex": self.index, **(row or {})}
            new |= {"Value": operation["Value"], "ModifyIndex": self.index, "Flags": 0}
            if verb == "lock":
                self._demand(operation["Session"] in self.sessions, "invalid session")
                self._demand(new.get("Session", operation["Session"]) == operation["Session"], "lock is held")
                new["Session"] = operation["Session"]
            self.keys[key] = new
        else:
            raise Refused(400, f"unknown verb {verb!r}")

    @staticmethod
    def _demand(true: bool, otherwise: str) -> None:
        if not true:
            raise Refused(409, json.dumps({"Results": None, "Errors": [{"OpIndex": 0, "What": otherwise}]}))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one segment
    data: Data
    token = ""

    def do_GET(self) -> None:
        self._serve(self._read)

    def do_PUT(self) -> None:
        self._serve(self._write)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def _serve(self, verb: Any) -> None:
        try:
            self._check_token()
            status, body, index = verb(urlsplit(self.path))
        except Refused as refused:
            status, body, index = refused.args[0], refused.args[1], 0
        text = body if isinstance(body, str) else json.dumps(body)
        self.send_response(status)
        self.send_header("X-Consul-Index", str(index))
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def _check_token(self) -> None:
        if self.token and self.headers.get("X-Consul-Token") != self.token:
            raise Refused(403, "rpc error making call: Permission denied")

    def _read(self, url: Any) -> tuple[int, Any, int]:
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        prefix = unquote(url.path.removeprefix("/v1/kv/"))
        until = time.monotonic() + float(query.get("wait", "0s").rstrip("s"))
        with self.data.changed:
            while "index" in query and time.monotonic() < until and self._stop is False:
                if self.data.last_change(prefix) > int(query["index"]):
                    break
                self.data.changed.wait(0.2)
            self.data.expire()
            found = self.data.under(prefix, recurse="recurse" in query)
            return (200 if found else 404), (found or ""), self.data.last_change(prefix)

    @property
    def _stop(self) -> bool:
        return bool(getattr(self.server, "stopping", False))

    def _write(self, url: Any) -> tuple[int, Any, int]:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"null")
        with self.data.changed:
            self.data.expire()
            if url.path == "/v1/txn":
                self.data.transact(body)
                return 200, {"Results": [], "Errors": None}, self.data.index
            if url.path == "/v1/session/create":
                return 200, {"ID": self._create(float(body["TTL"].rstrip("s")), body)}, self.data.index
            session = url.path.removeprefix("/v1/session/renew/")
            if session not in self.data.sessions:
                return 404, f"Session id '{session}' not found", self.data.index
            ttl, _ = self.data.sessions[session]
            self.data.sessions[session] = (ttl, time.monotonic() + ttl)
            return 200, [{"ID": session}], self.data.index

    def _create(self, ttl: float, body: Mapping[str, Any]) -> str:
        if ttl < SHORTEST or body["Behavior"] != "delete" or body["NodeChecks"] != []:
            raise Refused(400, f"Invalid Session TTL '{ttl:g}s', must be between [10s=24h0m0s]")
        session = secrets.token_hex(16)
        self.data.sessions[session] = (ttl, time.monotonic() + ttl)
        return session


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    stopping = False

    def handle_error(self, *_: object) -> None:
        """Say nothing when a client is gone before its answer."""


class FakeConsul:
    """A server with these answers on a port of loopback."""

    def __init__(self, token: str = "", port: int = 0) -> None:
        self.data = Data()
        handler = type("Handler", (_Handler,), {"data": self.data, "token": token})
        self._server = _Server(("127.0.0.1", port), handler)
        self.port = self._server.server_address[1]

    def start(self) -> None:
        """Serve in a thread."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def kill(self) -> None:
        """Stop serving."""
        self._server.stopping = True
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """PYNET_STORE without a prefix."""
        return f"consul://127.0.0.1:{self.port}"
