"""The engine's stream of events, which does not keep the engine from stopping.

Docker's API: GET /events, one JSON object a line, for as long as the connection is open. An engine that stops waits up
to 5 s for the end of such answers (28.5 and 26.1, measured), but closes its socket and idle connections at once. So an
idle connection is kept beside the stream, and tells when to let go. HTTP/1.0 has the answer as it is, without chunks.
"""

import select
import socket
from collections.abc import Iterator
from contextlib import suppress

from cli.engine.api import PATIENCE
from cli.engine.unix_http import UnixConnection

_HEAD, _OK = b"\r\n\r\n", b"200"
_PART = 65536  # bytes to read at once


class EventStream:
    """Connects at once; iterate over it to get lines, in one thread. Another thread may end it by ``close``.

    Raises:
        OSError, ValueError, http.client.HTTPException: the engine does not answer, or refuses.
    """

    def __init__(self, path: str, query: str) -> None:
        self._path = path
        self._sock = socket.socket(socket.AF_UNIX)
        self._idle: UnixConnection | None = None
        self._rest = b""
        self._read = False  # whether a thread iterates, which closes the connections then
        try:
            self._sock.settimeout(PATIENCE)
            self._sock.connect(path)
            self._sock.sendall(f"GET /events?{query} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            self._read_head()
            self._keep_idle()
        except BaseException:
            self._close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        """Yield lines until one of the two ends the connection."""
        self._read = True
        try:
            while True:
                line, newline, rest = self._rest.partition(b"\n")
                if newline:
                    self._rest = rest
                    yield line
                elif not self._wait():
                    return
        finally:
            self._close()

    def close(self) -> None:
        """End the iteration; the thread that iterates closes the connections."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        if not self._read:
            self._close()

    def _wait(self) -> bool:
        """Wait for more of the answer; return False at its end, or when the engine stops."""
        idle = self._idle.sock if self._idle else None
        poll = select.poll()
        for each in filter(None, (self._sock, idle)):
            poll.register(each, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll()}
        if self._sock.fileno() in ready:
            more = self._sock.recv(_PART)
            self._rest += more
            return bool(more)
        try:
            self._keep_idle()  # an engine closes idle connections now and then, while it serves
        except (OSError, ValueError):
            return False
        return True

    def _read_head(self) -> None:
        while _HEAD not in self._rest:
            more = self._sock.recv(_PART)
            if not more:
                raise ValueError("GET /events: no answer")
            self._rest += more
        head, _, self._rest = self._rest.partition(_HEAD)
        if head.split(None, 2)[1:2] != [_OK]:
            raise ValueError(f"GET /events: {head.splitlines()[0]!a}")

    def _keep_idle(self) -> None:
        """Have a new idle connection, on which a request was answered: the engine takes no other one for idle."""
        if self._idle:
            self._idle.close()
        self._idle = UnixConnection(self._path, PATIENCE)
        self._idle.request("GET", "/_ping")
        self._idle.getresponse().read()

    def _close(self) -> None:
        self._sock.close()
        if self._idle:
            self._idle.close()
