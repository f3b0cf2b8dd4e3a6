"""Serves a few pages by TCP, to Prometheus: one thread of its own, and nothing of the admin API.

The thread waits in the kernel while nobody connects. It never waits for a scraper: each has ``PATIENCE`` seconds for
everything, and one that stands still makes room for others, which wait in the socket meanwhile.
"""

import selectors
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

import structlog

from cli.listen_place import ListenPlace
from netlink.errors import reason
from netlink.values import dataclass
from plugin.background.loop import Loop

log = structlog.get_logger()

CLIENTS = 16  # connections at the same time
BACKLOG = 128  # connections that wait in the socket
STALLED = 1.0  # seconds without a byte after which a connection makes room
PATIENCE = 10.0  # seconds for a request and its answer
LARGEST = 8192  # bytes of a head
PIECE = 1 << 16  # bytes
AGAIN = 30.0  # seconds between two attempts to listen
PLAIN = "text/plain; charset=utf-8"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class ServedText:
    """A page, or why there is none."""

    status: int
    body: bytes
    media_type: str = PLAIN

    def as_bytes(self) -> bytes:
        """Return the whole answer."""
        head = f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\nContent-Type: {self.media_type}\r\n"
        allow = "Allow: GET\r\n" if self.status == 405 else ""
        return f"{head}{allow}Content-Length: {len(self.body)}\r\nConnection: close\r\n\r\n".encode() + self.body


def _refusal(status: int, sentence: str) -> ServedText:
    return ServedText(status, f"{sentence}\n".encode())


@dataclass(slots=True, eq=False)
class _Client:
    """A connection: its request so far, and then what is left of the answer."""

    sock: socket.socket
    until: float  # by the monotonic clock
    moved: float  # when the last byte came or went
    request: bytearray = field(default_factory=bytearray)
    answer: memoryview = field(default_factory=lambda: memoryview(b""))


Pages = Mapping[str, Callable[[], ServedText]]  # by path
Ready = Sequence[_Client | None]  # None is the socket that listens


class MetricsPort:
    """Listens at ``place``. ``problem`` says why it does not, "" if it does: then it tries again every ``AGAIN``."""

    def __init__(self, place: ListenPlace, pages: Pages, patience: float = PATIENCE, again: float = AGAIN) -> None:
        self._place = place
        self._pages = pages
        self._patience = patience
        self._again = again
        self._listener: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._clients: list[_Client] = []  # touched by the thread alone
        self._full = False  # whether nobody is accepted for now
        self.problem = ""

    def start(self) -> Loop[Ready]:
        """Listen, and serve in a thread, which is returned; a port that is taken is no error."""
        if self._place.is_open:
            log.warning("metrics can be read by everybody who reaches this host", address=str(self._place))
        self._listen()
        return Loop("metrics", self._wait, self._work).start()

    def _listen(self) -> None:
        listener = socket.socket(self._place.family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._place.family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((str(self._place.address), self._place.port))
            listener.listen(BACKLOG)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            problem = f"listen on '{self._place}' for metrics: {reason(error)}"
            if problem != self.problem:
                log.warning("metrics are not served by TCP", error=problem)
            self.problem = problem
        else:
            self._listener, self.problem = listener, ""
            self._selector.register(listener, selectors.EVENT_READ)
            log.info("metrics are served by TCP", address=str(self._place))

    def _wait(self) -> Ready:
        """Wait for connections and data, or until a client has to go or the port is tried again."""
        due = [client.until - time.monotonic() for client in self._clients]
        due += [self._again] if self._listener is None else [STALLED] if self._full else []
        ready = self._selector.select(max(0.0, min(due)) if due else None)
        return [key.data for key, _ in ready]

    def _work(self, ready: Ready) -> None:
        if self._full and self._listener is not None:
            self._full = False
            self._selector.register(self._listener, selectors.EVENT_READ)
        for client in ready:
            if client is not None:
                self._attempt(client, self._send if client.answer else self._receive)
            elif self._listener is not None:
                self._accept(self._listener)
        for client in [one for one in self._clients if one.until <= time.monotonic()]:
            self._drop(client)
        if self._listener is None:
            self._listen()

    def _accept(self, listener: socket.socket) -> None:
        if len(self._clients) >= CLIENTS and not self._make_room():
            self._full = True
            self._selector.unregister(listener)
            return
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it hung up
        sock.setblocking(False)
        now = time.monotonic()
        client = _Client(sock, now + self._patience, now)
        self._clients.append(client)
        self._selector.register(sock, selectors.EVENT_READ, client)

    def _make_room(self) -> bool:
        """Drop the connection that has stood still for longest; return whether one stood still for long enough."""
        slowest = min(self._clients, key=lambda client: client.moved)
        if time.monotonic() - slowest.moved < STALLED:
            return False
        self._drop(slowest)
        return True

    def _attempt(self, client: _Client, step: Callable[[_Client], None]) -> None:
        if client not in self._clients:
            return  # it made room for another in the same turn
        try:
            step(client)
            client.moved = time.monotonic()
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)

    def _receive(self, client: _Client) -> None:
        piece = client.sock.recv(PIECE)
        client.request += piece
        if len(client.request) > LARGEST:
            answer = _refusal(431, f"the head of the request is larger than {LARGEST} bytes")
        elif b"\r\n\r\n" in client.request:
            answer = self._answer(bytes(client.request).split(b"\r\n", 1)[0])
        elif piece:
            return
        else:
            self._drop(client)
            return
        client.answer = memoryview(answer.as_bytes())
        self._selector.modify(client.sock, selectors.EVENT_WRITE, client)

    def _answer(self, line: bytes) -> ServedText:
        words = line.decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _refusal(400, "the request is not HTTP/1.1")
        page = self._pages.get(words[1].partition("?")[0])
        if page is None:
            return _refusal(404, f"there is nothing here but {' and '.join(self._pages)}")
        return page() if words[0] == "GET" else _refusal(405, "only GET is understood here")

    def _send(self, client: _Client) -> None:
        client.answer = client.answer[client.sock.send(client.answer[:PIECE]) :]
        if not client.answer:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        self._clients.remove(client)
        self._selector.unregister(client.sock)
        client.sock.close()
