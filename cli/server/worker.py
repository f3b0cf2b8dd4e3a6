"""gunicorn's threaded worker, with one difference: a thread gets a connection when its whole request has arrived.

gunicorn gives each connection a thread that waits for it: five seconds for the first byte, then for ever. As many
silent or slow callers as there are threads stop the service. Here the loop that accepts also reads, so such a caller
costs a buffer and no thread. A request has to arrive within ``PATIENCE`` seconds; with too many connections the oldest
that is incomplete is dropped.

Measured against gunicorn's worker with a receive timeout of ten seconds on each accepted socket (2 cores, gunicorn 27):

* 32 threads, 64 callers that sent half a head: the service stopped, and gunicorn killed its worker after 30 s, because
  its loop also waits two seconds for each caller to close first. Here the next call is answered after 1 ms.
* A thread for each of 512 connections passes the contract tests, but for that wait. 500 such callers cost 13 MB, the
  next call waits 0.4 s (here 0.3 MB, 1 ms), and ``PYNET_THREADS`` limits nothing any more. It needs the same parts of
  gunicorn (``TConn``, ``accept``, ``enqueue_req``, ``handle_error``) and saves 130 lines. So this worker stays.
* A call alone takes as long with either: 0.5 to 0.6 ms.
"""

import ctypes
import errno
import gc
import json
import logging
import math
import re
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from pathlib import Path
from typing import Any

from gunicorn import http
from gunicorn.glogging import Logger
from gunicorn.http.errors import LimitRequestHeaders, ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from handlers.limits import LARGEST_BODY, LARGEST_HEAD
from netlink.values import dataclass

CONNECTIONS = 512  # open at the same time, served or not; more wait in the backlog
PATIENCE = 10.0  # seconds for a caller to send a whole request
BUFFERED = 64 << 20  # bytes of all incomplete requests together
COMMANDS = 32  # connections on the admin socket, of which THREADS are served; more are refused at once
THREADS = 8
PIECE = 1 << 16  # bytes read at once
TRIMMED = 10.0  # seconds after a call in which memory goes back to the kernel
LINGER = 0.1  # seconds that an ending worker waits for the first byte on an open connection
_ANNOUNCED = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_GONE = {errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK}


class Connection(TConn):  # type: ignore[misc]
    """A connection that is closed at once; gunicorn's loop waits two seconds for the caller to close first.

    TCP needs that, because closing with unread data may destroy the answer. A unix socket delivers what was written
    (net/unix/af_unix.c, unix_stream_read_generic).
    """

    def close(self, graceful: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - gunicorn's signature
        """Close the socket."""
        super().close(graceful=False)


@dataclass(slots=True)
class Incoming:
    """A request that has not arrived completely."""

    connection: Connection
    until: float  # by the monotonic clock
    data: bytearray = field(default_factory=bytearray)
    head: int = 0  # length of the head with its empty line, 0 while it is not complete
    wanted: int = 0  # length of the whole request, 0 for one in chunks

    def add(self, piece: bytes) -> None:
        """Add bytes that were received."""
        searched = max(0, len(self.data) - 3)
        self.data += piece
        if not self.head:
            end = self.data.find(b"\r\n\r\n", searched)
            if end >= 0:
                self._read_head(end + 4)

    def _read_head(self, head: int) -> None:
        self.head = head
        text = bytes(self.data[: head - 2])
        announced = _ANNOUNCED.search(text)
        if _CHUNKED.search(text):
            return
        # A length that is too large is refused by itself; the parser refuses one that cannot be read.
        length = int(announced[1]) if announced else 0
        self.wanted = head + (length if length <= LARGEST_BODY else 0)

    @property
    def complete(self) -> bool:
        if not self.head:
            return False
        if self.wanted:
            return len(self.data) >= self.wanted
        return self.data.endswith(b"0\r\n\r\n", self.head) or len(self.data) > self.head + LARGEST_BODY


def trim() -> None:
    """Give free pages in the middle of the heap back to the kernel (malloc_trim(3)); 15 MB take 3 ms.

    First collect the cycles that requests left: without further requests Python's collector would not run again.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """See the module's description."""

    patience = PATIENCE
    trim = staticmethod(trim)
    outgrown: Callable[[], bool] = staticmethod(lambda: False)  # whether a fresh worker would need less memory
    admin = ""  # path of the admin socket: threads of their own serve it, so that the engine never waits for commands

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._incoming: dict[socket.socket, Incoming] = {}  # the oldest first; touched by the loop's thread alone
        self._buffered = 0
        self._ending = 0.0  # when the shutdown began, by the monotonic clock
        self._trim_at = time.monotonic() + TRIMMED  # inf while nobody has called since the last time
        self._commands: set[Connection] = set()  # on the admin socket, with some that are closed
        self._for_commands = ThreadPoolExecutor(THREADS, "command")

    def handle_exit(self, sig: int, frame: object) -> None:
        """Start shutting down."""
        self._ending = self._ending or time.monotonic()
        super().handle_exit(sig, frame)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events; an ending worker wakes up often enough to close silent connections."""
        super().wait_for_and_dispatch_events(timeout if self.alive else min(timeout, LINGER))

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection and wait for its request in the loop."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in _GONE:
                return
            raise
        connection = Connection(self.cfg, sock, address, listener.getsockname())
        if connection.server == self.admin and not self._has_room(connection):
            refuse(sock, 503, f"{COMMANDS} commands are asking at the same time; ask again in a moment")
            connection.close()
            return
        self.nr_conns += 1
        self._trim_at = min(self._trim_at, time.monotonic() + TRIMMED)
        self._incoming[sock] = Incoming(connection, time.monotonic() + self.patience)
        self.poller.register(sock, selectors.EVENT_READ, self._receive)
        self._make_room()

    def _has_room(self, connection: Connection) -> bool:
        """Count a connection on the admin socket if there are few enough."""
        self._commands = {other for other in self._commands if other.sock.fileno() >= 0}
        if len(self._commands) >= COMMANDS:
            return False
        self._commands.add(connection)
        return True

    def enqueue_req(self, conn: Connection) -> None:
        """Give a request to the threads of its socket."""
        threads = self._for_commands if conn.server == self.admin else self.tpool
        work = threads.submit(self.handle, conn)
        work.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def _receive(self, sock: socket.socket) -> None:
        incoming = self._incoming.get(sock)
        if incoming is None:
            return  # dropped to make room in the same round of the loop
        try:
            piece = sock.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        incoming.add(piece)
        self._buffered += len(piece)
        if (incoming.head or len(incoming.data)) > LARGEST_HEAD:
            refuse(sock, 431, f"the head of the request is larger than {LARGEST_HEAD} bytes")
            self._drop(incoming)
        elif incoming.complete or (not piece and incoming.data):
            self._hand_over(incoming)
        elif not piece:
            self._drop(incoming)
        else:
            self._make_room()

    def murder_pending(self) -> None:
        """End requests that take too long; answer those whose head has arrived. An ending worker waits only ``LINGER``.

        It waits at all because the engine would repeat a call that is dropped, without its body.

        (The name is gunicorn's: its loop calls this at least once a second.)
        """
        now, outgrown = time.monotonic(), self.outgrown()
        if now >= self._trim_at:
            self._trim_at = math.inf
            self.trim()
            if outgrown and self.alive:
                self._give_way()
        for incoming in list(self._incoming.values()):
            until = incoming.until if self.alive or incoming.data else min(incoming.until, self._ending + LINGER)
            if until > now:
                continue
            if incoming.head:
                incoming.connection.sock.shutdown(socket.SHUT_RD)  # so that the thread does not wait for the rest
                self._hand_over(incoming)
            else:
                self._drop(incoming)

    def _give_way(self) -> None:
        """End after the calls that are here; gunicorn's parent starts the next worker, for which other calls wait."""
        logging.getLogger(__name__).info("a fresh process takes over, which needs less memory")
        self._ending, self.alive = time.monotonic(), False

    def _make_room(self) -> None:
        """Drop the oldest incomplete requests; while complete ones fill the room, callers wait in the socket."""
        most = self.worker_connections // 2
        while self._buffered > BUFFERED or (self.nr_conns >= self.worker_connections and len(self._incoming) > most):
            oldest = next(iter(self._incoming.values()))
            self.log.warning("connection closed to make room: no whole request came on it")
            self._drop(oldest)

    def _forget(self, incoming: Incoming) -> None:
        sock = incoming.connection.sock
        del self._incoming[sock]
        self._buffered -= len(incoming.data)
        self.poller.unregister(sock)

    def _drop(self, incoming: Incoming) -> None:
        self._forget(incoming)
        self.nr_conns -= 1
        incoming.connection.close()

    def _hand_over(self, incoming: Incoming) -> None:
        """Give the request to a thread; gunicorn's parser reads the buffer before it reads the socket."""
        self._forget(incoming)
        connection = incoming.connection
        connection.parser = http.get_parser(self.cfg, connection.sock, connection.client)
        connection.parser.unreader.unread(bytes(incoming.data))
        connection.data_ready = True
        self.enqueue_req(connection)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that the parser refused in the usual form, not with HTML."""
        if isinstance(exc, ParseException):
            self.log.warning("request refused before it was read: %s", exc)
            refuse(client, 431 if isinstance(exc, LimitRequestHeaders) else 400, f"the request is not HTTP: {exc}")
        else:
            super().handle_error(req, client, addr, exc)


def worker_with(admin: Path | None) -> type[PatientWorker]:
    """Return the class of a worker whose admin socket is at ``admin``."""
    return type("Worker", (PatientWorker,), {"admin": str(admin or "")})


def refuse(sock: socket.socket, status: int, text: str) -> None:
    """Answer with a sentence under both keys, without waiting for a caller that does not read it."""
    body = json.dumps({"Err": text, "Error": text})
    head = f"HTTP/1.1 {status} Refused\r\nConnection: close\r\nContent-Type: application/json\r\n"
    try:
        sock.setblocking(False)
        sock.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    except OSError:
        return


_WORDS = {  # of gunicorn's arbiter
    "WORKER TIMEOUT (pid:%s)": "the serving process %s does not answer and is ended",
    "Worker (pid:%s) was sent %s! Perhaps out of memory?": "the serving process %s was ended by %s: perhaps for memory",
    "Worker (pid:%s) was sent %s!": "the serving process %s was ended by %s",
    "Worker (pid:%s) exited with code %s.": "the serving process %s ended with exit code %s",
}


def gunicorn_logger() -> type:
    """Return a class for gunicorn's ``logger_class`` that leaves its lines to the root logger, in words of pynet."""

    class RootLogger(Logger):  # type: ignore[misc]
        """Drops gunicorn's chat, of which the debug level has its whole configuration; warnings are always logged."""

        def setup(self, cfg: object) -> None:
            """Set no handlers: gunicorn's own would print each line a second time in another form."""
            self.cfg = cfg
            self.error_log.setLevel(logging.WARNING)
            self.error_log.propagate = True

        def critical(self, msg: object, *args: object, **kwargs: Any) -> None:
            """Log an error."""
            self.error_log.error(_WORDS.get(str(msg), msg), *args, **kwargs)

        error = critical

        def warning(self, msg: object, *args: object, **kwargs: Any) -> None:
            """Log a warning."""
            self.error_log.warning(_WORDS.get(str(msg), msg), *args, **kwargs)

    return RootLogger
