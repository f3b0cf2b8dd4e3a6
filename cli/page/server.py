"""Serves the page on loopback, from the process of ``pynet page``."""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cli.exit_codes import Unreachable
from cli.page.access import flaw_of_host, flaw_of_reader
from cli.page.asking import CURSOR, verb_of
from cli.page.document import Document
from netlink.errors import KernelError, reason
from plugin.errors import Conflict, Failed, PynetError, Unprivileged

LOOPBACK = "127.0.0.1"
PATIENCE = 30  # seconds for a request, and between two of a connection
CONNECTIONS = 32  # at the same time; a browser has six
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
Ask = Callable[[str, str], Mapping[str, Any]]


class PageServer(ThreadingHTTPServer):
    """Answers requests for ``document``, and for data with ``token``; ``opened`` is called when a page has the token.

    ``ask`` returns the reply to a verb, after a cursor. ``orphaned`` returns whether the server has to end.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, document: Document, token: str, ask: Ask) -> None:
        self.document, self.token, self.ask = document, token, ask
        self.connections, self._counting = 0, threading.Lock()
        self.opened: Callable[[], object] = lambda: None
        self.orphaned: Callable[[], bool] = lambda: False
        try:
            super().__init__((LOOPBACK, port), _Request)
        except PermissionError as error:
            raise Unprivileged(f"serve the page on port {port}: permission denied; choose one above 1023") from error
        except OSError as error:
            kind = Conflict if isinstance(error, OSError) and "in use" in reason(error) else Failed
            raise kind(f"serve the page on port {port}: {reason(error)}; choose another with --port") from error

    def server_bind(self) -> None:
        """Bind the port, and ask no name server for the name of this host, as the class above does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    @property
    def address(self) -> str:
        """The address of the page, with its token."""
        return f"http://{LOOPBACK}:{self.server_port}/#{self.token}"

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether there is room for another connection: every user of this machine can open some."""
        del request, client_address
        return self.connections < CONNECTIONS

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count a connection, and serve it in a thread of its own."""
        with self._counting:
            self.connections += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._counting:
                self.connections -= 1

    def service_actions(self) -> None:
        """End with the terminal, twice a second at the latest."""
        if self.orphaned():
            raise KeyboardInterrupt

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a browser closes connections whenever it likes."""


class _Request(BaseHTTPRequestHandler):
    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "pynet", ""
    timeout = PATIENCE

    def do_GET(self) -> None:
        """Answer with the page, or with data."""
        url = urlsplit(self.path)
        flaw = flaw_of_host(self.headers)
        if flaw:
            return self._refuse(HTTPStatus.FORBIDDEN, flaw)
        if url.path == "/":
            return self._answer(HTTPStatus.OK, "text/html; charset=utf-8", self.server.document.html)
        verb = verb_of(url.path)
        flaw = flaw_of_reader(self.headers, self.server.token)
        if flaw:
            return self._refuse(HTTPStatus.FORBIDDEN, flaw)
        if verb is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "this page has no such part")
        self.server.opened()
        return self._forward(verb, parse_qs(url.query).get(CURSOR, [""])[0])

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what the class above does not understand, such as a method without a ``do_``."""
        del explain
        if code == HTTPStatus.NOT_IMPLEMENTED:
            return self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "this page only shows something")
        return self._refuse(HTTPStatus(code), f"this request cannot be read: {message or HTTPStatus(code).phrase}")

    def _forward(self, verb: str, cursor: str) -> None:
        try:
            found = self.server.ask(verb, cursor)
        except Unreachable as error:
            return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except (KernelError, PynetError) as error:
            return self._refuse(HTTPStatus.BAD_GATEWAY, str(error))
        return self._json(HTTPStatus.OK, found)

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self.close_connection = True  # a body may follow, which is not read
        self._json(status, {"Err": sentence})

    def _json(self, status: HTTPStatus, value: Mapping[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(value, separators=(",", ":")).encode())

    def _answer(self, status: HTTPStatus, media: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", self.server.document.policy)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Say nothing: the terminal shows the address."""
