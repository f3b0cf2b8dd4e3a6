"""JSON over HTTP to any of several endpoints that answers, with one deadline for all attempts.

Written on ``http.client`` because the client libraries cost more than the whole of this file: importing etcd3gw takes
24 MB, py-consul 20 MB (both through ``requests``), this 7 MB; neither knows more than one endpoint or a deadline.
"""

import errno
import http.client
import json
import os
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netlink.deadline import end_of
from plugin.errors import Failed, InvalidRequest
from plugin.store.base import StoreAway
from plugin.store.remote.address import Access, StoreAddress
from plugin.store.remote.patience import AFTER_FAILURE, OPERATION

CONNECT = 1.0  # seconds for an endpoint to accept
ANSWER = 2.0  # seconds for it to answer; then the next one is asked
PAUSE = 0.1  # seconds before all endpoints are asked again, doubled each time
IDLE = 8  # connections that are kept for later


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; ``body`` is sent as JSON."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A status and a body; ``repeated`` says that an earlier attempt may have been carried out too."""

    status: int
    text: str
    headers: Mapping[str, str]
    repeated: bool = False

    def json(self) -> Any:
        """Return the body; raises ``Failed`` when it is not JSON."""
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise Failed(f"read the store's answer: {self.text[:80]!r} is not JSON") from error


class HttpEndpoints:
    """The endpoints of one store. Used by many threads at once; the one that answered last is asked first."""

    def __init__(self, address: StoreAddress, access: Access, moment: Callable[[HttpAnswer], str]) -> None:
        """``moment`` returns why an answer says only "not now", as during an election, or an empty text."""
        self.address = address
        self._tls = _tls_context(access) if access.tls else None
        self._moment = moment
        self._guard = threading.Lock()  # guards _idle
        self._idle: deque[tuple[int, http.client.HTTPConnection]] = deque()
        self._first = 0
        self._failed = False
        self.closed = False

    def ask(self, action: str, request: HttpRequest) -> HttpAnswer:
        """Ask until an endpoint answers or the time is over.

        Raises:
            StoreAway: no endpoint answered; the text gives a reason for each.
            Failed: the store is closed.
        """
        until = end_of(AFTER_FAILURE if self._failed else OPERATION)
        reasons: dict[str, str] = {}
        repeated, pause = False, PAUSE
        while True:
            for number in self._order():
                self.refuse_when_closed(action)
                left = until - time.monotonic()
                if left <= 0:
                    self._failed = True
                    raise StoreAway(f"{action} store '{self.address}': {_summary(reasons)}")
                answer, sent = self._attempt(number, request, left, reasons)
                if answer is not None:
                    self._first, self._failed = number, False
                    return HttpAnswer(answer.status, answer.text, answer.headers, repeated)
                repeated = repeated or sent
            time.sleep(max(0.0, min(pause, until - time.monotonic())))
            pause *= 2

    def refuse_when_closed(self, action: str) -> None:
        """Raise ``Failed`` after ``close``."""
        if self.closed:
            raise Failed(f"{action} store '{self.address}': it is closed")

    def connect(self, number: int, timeout: float) -> http.client.HTTPConnection:
        """Return a new connection to endpoint ``number``; raises OSError."""
        host, port = self.address.endpoints[number]
        if self._tls is None:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=self._tls)
        connection.connect()
        return connection

    @property
    def first(self) -> int:
        """The number of the endpoint that answered last."""
        return self._first

    def close(self) -> None:
        """Close the idle connections, and refuse every further use."""
        self.closed = True
        for number in range(len(self.address.endpoints)):
            self._drop_idle(number)

    def _order(self) -> Sequence[int]:
        count, first = len(self.address.endpoints), self._first
        return [(first + step) % count for step in range(count)]

    def _attempt(
        self, number: int, request: HttpRequest, left: float, reasons: dict[str, str]
    ) -> tuple[HttpAnswer | None, bool]:
        """Return the answer of endpoint ``number``, or None, and whether it may have received the request."""
        sent = False
        host, port = self.address.endpoints[number]
        try:
            connection = self._take(number) or self.connect(number, min(CONNECT, left))
            sent = True
            answer = _exchange(connection, request, min(ANSWER, left))
        except (OSError, http.client.HTTPException) as error:
            reasons[f"{host}:{port}"] = _reason(error)
            self._drop_idle(number)  # the server is gone, and so are all connections to it
            return None, sent
        self._give_back(number, connection)
        moment = self._moment(answer)
        if moment:
            reasons[f"{host}:{port}"] = moment
            return None, True
        return answer, True

    def _take(self, number: int) -> http.client.HTTPConnection | None:
        with self._guard:
            for entry in self._idle:
                if entry[0] == number:
                    self._idle.remove(entry)
                    return entry[1]
        return None

    def _drop_idle(self, number: int) -> None:
        with self._guard:
            for entry in [entry for entry in self._idle if entry[0] == number]:
                self._idle.remove(entry)
                entry[1].close()

    def _give_back(self, number: int, connection: http.client.HTTPConnection) -> None:
        with self._guard:
            if not self.closed and connection.sock is not None:
                self._idle.append((number, connection))
                if len(self._idle) <= IDLE:
                    return
                _, connection = self._idle.popleft()
        connection.close()


def send(connection: http.client.HTTPConnection, request: HttpRequest) -> http.client.HTTPResponse:
    """Send a request; return the answer, of which only the head has been read; raises OSError or HTTPException."""
    body = None if request.body is None else json.dumps(request.body, separators=(",", ":")).encode()
    connection.request(request.method, request.path, body, dict(request.headers))
    return connection.getresponse()


def keep_alive(connection: http.client.HTTPConnection) -> None:
    """Have the kernel notice within six seconds that the other host of a mostly silent connection is gone."""
    for option, value in ((socket.TCP_KEEPIDLE, 3), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 3)):
        connection.sock.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _exchange(connection: http.client.HTTPConnection, request: HttpRequest, timeout: float) -> HttpAnswer:
    try:
        connection.sock.settimeout(timeout)
        response = send(connection, request)
        return HttpAnswer(response.status, response.read().decode(errors="replace"), dict(response.getheaders()))
    except BaseException:
        connection.close()
        raise


def shut(connection: http.client.HTTPConnection) -> None:
    """Wake the thread that reads from a connection."""
    try:
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "no answer in time"),
    (socket.gaierror, "its name is not known"),
    (http.client.RemoteDisconnected, "it closed the connection"),
)


def _reason(error: Exception) -> str:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message.lower()}"
        case ssl.SSLError():
            return f"TLS failed: {(error.reason or str(error)).lower().replace('_', ' ')}"
        case OSError(errno=int(number)) if number in errno.errorcode:
            return os.strerror(number).lower()
    return str(error) or type(error).__name__


def _summary(reasons: Mapping[str, str]) -> str:
    if not reasons:
        return "there was no time left to ask it"
    return "no endpoint answers: " + ", ".join(f"{where}: {why}" for where, why in reasons.items())


def _tls_context(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca)
        if access.certificate is not None:
            context.load_cert_chain(access.certificate, access.key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(f"'{file}'" for file in (access.ca, access.certificate, access.key) if file)
        raise InvalidRequest(f"read the store's certificates {files}: {error.strerror or error}") from error
    return context
