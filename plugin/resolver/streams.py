"""Questions by TCP (RFC 7766): several on one connection, one after the other or together."""

import socket
from collections.abc import Callable

from plugin.resolver.events import READ, WRITE, SocketEvents
from plugin.resolver.limits import ResolverLimits

Ask = Callable[[bytes, Callable[[bytes], object]], object]
_LENGTH = 2  # bytes before each message
_UNSENT = 1 << 17  # bytes that a client may leave unread


class Stream:
    """A connection of a client. It is closed when the client does so, is idle, or sends or leaves too much."""

    def __init__(
        self, events: SocketEvents, sock: socket.socket, limits: ResolverLimits, ask: Ask, ended: Callable[[], object]
    ) -> None:
        self._events = events
        self._sock = sock
        self._limits = limits
        self._ask = ask
        self._ended = ended
        self._in = self._out = b""
        self._open = True
        self._timer = events.later(limits.idle, self._close)
        events.watch(sock, READ, self._ready)

    def _ready(self) -> None:
        try:
            if self._out:
                self._out = self._out[self._sock.send(self._out) :]
                if not self._out:
                    self._events.watch(self._sock, READ, self._ready)
                return
            data = self._sock.recv(self._limits.question)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close()
            return
        self._in += data
        self._take()

    def _take(self) -> None:
        """Ask all questions that are complete; a client has as long again for the next one."""
        while self._open and len(self._in) >= _LENGTH:
            size = int.from_bytes(self._in[:_LENGTH])
            if size > self._limits.question:
                self._close()
                return
            if len(self._in) < _LENGTH + size:
                return
            wire, self._in = self._in[_LENGTH : _LENGTH + size], self._in[_LENGTH + size :]
            self._timer.cancel()
            self._timer = self._events.later(self._limits.idle, self._close)
            self._ask(wire, self._send)

    def _send(self, data: bytes) -> None:
        if not self._open:
            return
        self._out += data
        try:
            self._out = self._out[self._sock.send(self._out) :]
        except BlockingIOError:
            pass
        except OSError:
            self._close()
            return
        if len(self._out) > _UNSENT:
            self._close()
        elif self._out:
            self._events.watch(self._sock, WRITE, self._ready)

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._timer.cancel()
            self._events.close(self._sock)
            self._ended()
