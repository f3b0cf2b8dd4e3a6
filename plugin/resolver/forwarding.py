"""Asks the servers of the host: by UDP from a new port with a new id each time, by TCP where an answer is truncated.

Questions that are the same wait for one answer. So a question that comes back to pynet by a server of the host waits
for itself, and ends when the time is over.
"""

import socket
from collections.abc import Callable, Sequence
from secrets import randbelow

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from plugin.resolver.cache import Cache, Key
from plugin.resolver.events import READ, WRITE, SocketEvents, Timer
from plugin.resolver.limits import ResolverLimits

Done = Callable[[dns.message.Message | None], object]  # called once, with None if no server answered
_PORT = 53
_FAILED = {dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.FORMERR}
_LENGTH = 2  # bytes before a message by TCP (RFC 1035, section 4.2.2)
_LARGEST = 65535


class Upstream:
    """Questions on their way; ``servers`` returns the addresses of the host's servers."""

    def __init__(
        self,
        events: SocketEvents,
        servers: Callable[[], Sequence[str]],
        cache: Cache,
        limits: ResolverLimits,
        port: int = _PORT,
    ) -> None:
        self.events = events
        self.limits = limits
        self.port = port
        self._servers = servers
        self._cache = cache
        self._asking: dict[Key, _Question] = {}

    def ask(self, key: Key, done: Done) -> None:
        """Have ``done`` called with the answer, now or later."""
        asking = self._asking.get(key)
        if asking is not None:
            asking.waiting.append(done)
            return
        servers = self._servers()
        if not servers:
            done(None)
            return
        tries = [servers[number % len(servers)] for number in range(max(len(servers), 2))][: self.limits.tries]
        question = self._asking[key] = _Question(self, key, tries, done)
        question.next()

    def finish(self, key: Key, answer: dns.message.Message | None, size: int = 0) -> None:
        """Hand the answer to all who wait for it."""
        question = self._asking.pop(key, None)
        if answer is not None:
            self._cache.put(key, answer, size)
        for done in question.waiting if question else ():
            done(answer)


class _Question:
    """One question to one server after the other."""

    def __init__(self, forwarding: Upstream, key: Key, servers: list[str], done: Done) -> None:
        self._forwarding = forwarding
        self._events = forwarding.events
        self._key = key
        self._servers = servers
        self._asked: dns.message.Message | None = None
        self._sock: socket.socket | None = None
        self._timer: Timer | None = None
        self._data = b""
        self.waiting: list[Done] = [done]

    def next(self) -> None:
        """Ask the next server; there is no answer if there is none left."""
        self._close()
        while self._servers:
            try:
                self._ask(self._servers.pop(0))
            except OSError:
                self._close()
                continue
            return
        self._forwarding.finish(self._key, None)

    def _ask(self, server: str) -> None:
        self._server = server
        key, limits = self._key, self._forwarding.limits
        asked = dns.message.make_query(
            key.name, key.rdtype, use_edns=0, want_dnssec=key.dnssec, payload=limits.payload, id=randbelow(1 << 16)
        )
        asked.flags |= dns.flags.AD | (dns.flags.CD if key.unchecked else 0)
        self._asked = asked
        sock = self._open(socket.SOCK_DGRAM)
        sock.send(asked.to_wire())
        self._events.watch(sock, READ, self._datagram)

    def _open(self, kind: socket.SocketKind) -> socket.socket:
        """Return a socket to the server; the kernel chooses its port at random."""
        family = socket.AF_INET6 if ":" in self._server else socket.AF_INET
        self._sock = sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
        self._timer = self._events.later(self._forwarding.limits.patience, self.next)
        sock.connect_ex((self._server, self._forwarding.port))
        return sock

    def _datagram(self) -> None:
        assert self._sock is not None  # noqa: S101 - it is watched
        try:
            wire = self._sock.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:  # nobody serves there
            self.next()
            return
        answer = self._read(wire)
        if answer is None:
            return  # somebody else's, or garbage: the right one may still come
        if answer.flags & dns.flags.TC:
            self._by_tcp()
        else:
            self._judge(answer, len(wire))

    def _read(self, wire: bytes) -> dns.message.Message | None:
        """Return the answer to the question that was sent; None for any other message."""
        try:
            answer = dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)
        except (dns.exception.DNSException, ValueError):
            return None
        return answer if self._asked is not None and self._asked.is_response(answer) else None

    def _judge(self, answer: dns.message.Message, size: int) -> None:
        if answer.rcode() in _FAILED and self._servers:
            self.next()
            return
        self._close()
        self._forwarding.finish(self._key, answer, size)

    def _by_tcp(self) -> None:
        self._close()
        try:
            self._events.watch(self._open(socket.SOCK_STREAM), WRITE, self._connected)
        except OSError:
            self.next()

    def _connected(self) -> None:
        assert self._sock is not None  # noqa: S101 - it is watched
        assert self._asked is not None  # noqa: S101 - by UDP, before
        try:
            self._sock.send(self._asked.to_wire(prepend_length=True))  # fits into an empty buffer
        except OSError:
            self.next()
            return
        self._data = b""
        self._events.watch(self._sock, READ, self._stream)

    def _stream(self) -> None:
        assert self._sock is not None  # noqa: S101 - it is watched
        try:
            data = self._sock.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._data += data
        whole = _LENGTH + int.from_bytes(self._data[:_LENGTH]) if len(self._data) >= _LENGTH else _LARGEST
        if len(self._data) >= whole:
            answer = self._read(self._data[_LENGTH:whole])
            if answer is None or answer.flags & dns.flags.TC:
                self.next()
            else:
                self._judge(answer, whole)
        elif not data:
            self.next()

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._sock is not None:
            self._events.close(self._sock)
            self._sock = None
