"""TCP connections that are relayed: when they are accepted, and how their bytes are carried.

A port that has used up its share stops accepting: new connections wait in the kernel's backlog until one ends. All
methods run in the thread of the loop.
"""

import asyncio
import select
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import field
from functools import partial

import structlog

from netlink.ip import SocketAddress
from netlink.relay_limits import Limits
from netlink.values import dataclass

log = structlog.get_logger()

CHUNK = 1 << 16  # bytes that one direction of a connection holds at most
AT_ONCE = 64  # ports from which connections are accepted before other events of the loop get their turn
PAUSE = 0.1  # seconds without accepting, when the process has no descriptor left
SELDOM = 60.0  # seconds between two lines of the log about a share that is used up
RESET = struct.pack("ii", 1, 0)  # struct linger: close() sends a reset


@dataclass(eq=False, slots=True)
class _Listener:
    """A listening socket, which belongs to somebody else, and its connections."""

    sock: socket.socket
    target: SocketAddress
    connections: "set[_Connection] | None" = None  # most ports have none

    @property
    def open(self) -> int:
        """The number of connections."""
        return len(self.connections or ())


@dataclass(eq=False, slots=True)
class _Client:
    """An address, and its connections that wait until another of them ends."""

    address: str
    served: int = 0
    waiting: deque["_Connection"] = field(default_factory=deque)


@dataclass(eq=False, slots=True)
class _Connection:
    sock: socket.socket
    listener: _Listener
    client: _Client
    task: "asyncio.Task[None] | None" = None  # quoted, as asyncio is loaded with the first relayed port


class Streams:
    """All listening sockets of the relay.

    They have an epoll of their own, which the loop reads as one: a port takes 134 bytes instead of 334.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._listeners: dict[int, _Listener] = {}  # by descriptor
        self._paused: dict[_Listener, None] = {}  # in the order in which they stopped accepting
        self._clients: dict[str, _Client] = {}
        self._open = 0  # connections, waiting ones too
        self._told = float("-inf")
        self._epoll: select.epoll | None = None  # of the sockets that accept

    def watch(self, sock: socket.socket, target: SocketAddress) -> None:
        """Accept from ``sock``."""
        listener = self._listeners[sock.fileno()] = _Listener(sock, target)
        self._resume(listener)

    async def leave(self, descriptors: Iterable[int]) -> None:
        """End the connections of these sockets; unknown ones are passed over."""
        ending: list[asyncio.Task[None]] = []
        for descriptor in descriptors:
            listener = self._listeners.pop(descriptor, None)
            if listener is not None:
                self._pause(listener)
                self._paused.pop(listener, None)
                ending += self._end(listener)
        await asyncio.gather(*ending, return_exceptions=True)
        self._resume_paused()

    async def leave_all(self) -> None:
        """End everything."""
        await self.leave(list(self._listeners))
        if self._epoll is not None:
            asyncio.get_running_loop().remove_reader(self._epoll)
            self._epoll.close()
            self._epoll = None

    def _end(self, listener: _Listener) -> "Iterable[asyncio.Task[None]]":
        for connection in list(listener.connections or ()):
            if connection.task is None:
                connection.client.waiting.remove(connection)
                self._close(connection)
            else:
                connection.task.cancel()
                yield connection.task

    def _resume(self, listener: _Listener) -> None:
        if self._listeners.get(listener.sock.fileno()) is not listener:
            return
        if self._epoll is None:
            self._epoll = select.epoll()
            asyncio.get_running_loop().add_reader(self._epoll, self._accept_ready)
        with suppress(FileExistsError):
            self._epoll.register(listener.sock, select.EPOLLIN)

    def _pause(self, listener: _Listener) -> None:
        """Accept no more from a socket; one that is paused already is passed over."""
        if self._epoll is not None:
            with suppress(OSError, ValueError):  # closed meanwhile
                self._epoll.unregister(listener.sock)

    def _accept_ready(self) -> None:
        """Accept one connection of each port that has some."""
        for descriptor, _ in self._epoll.poll(0, AT_ONCE) if self._epoll is not None else ():
            if listener := self._listeners.get(descriptor):
                self._accept(listener)

    def _resume_paused(self) -> None:
        """Accept again, one connection of each port in turn; a port without waiting clients does not delay others."""
        for listener in list(self._paused):
            if not self._is_full(listener):
                del self._paused[listener]
                self._resume(listener)
                self._accept(listener)

    def _is_full(self, listener: _Listener) -> bool:
        most = self._limits.connections
        return self._open >= most.together or listener.open >= most.port

    def _accept(self, listener: _Listener) -> None:
        if self._is_full(listener):
            self._tell("relayed port accepts no more", listener, open=listener.open, together=self._open)
            self._pause(listener)
            self._paused[listener] = None
            return
        try:
            sock, (address, *_) = listener.sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            log.debug("relay pauses", error=str(error))
            self._pause(listener)
            asyncio.get_running_loop().call_later(PAUSE, self._resume, listener)
            return
        self._admit(sock, listener, self._clients.setdefault(address, _Client(address)))

    def _admit(self, sock: socket.socket, listener: _Listener, client: _Client) -> None:
        at_once = client.served < self._limits.connections.client
        if not at_once and len(client.waiting) >= self._limits.waiting:
            self._tell("relayed port refuses a client with too many connections", listener, client=client.address)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.close()
            return
        sock.setblocking(False)
        connection = _Connection(sock, listener, client)
        listener.connections = listener.connections or set()
        listener.connections.add(connection)
        self._open += 1
        if at_once:
            self._serve(connection)
        else:
            client.waiting.append(connection)

    def _serve(self, connection: _Connection) -> None:
        connection.client.served += 1
        work = carry(connection.sock, connection.listener.target, self._limits)
        connection.task = asyncio.get_running_loop().create_task(work)
        connection.task.add_done_callback(partial(self._ended, connection))

    def _ended(self, connection: _Connection, task: "asyncio.Task[None]") -> None:
        self._close(connection)
        client = connection.client
        client.served -= 1
        if client.waiting:
            self._serve(client.waiting.popleft())
        elif not client.served:
            del self._clients[client.address]
        self._resume_paused()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("relayed connection ended", error=str(error) or type(error).__name__)

    def _close(self, connection: _Connection) -> None:
        connection.sock.close()
        if (connections := connection.listener.connections) is not None:
            connections.discard(connection)
            connection.listener.connections = connections or None
        self._open -= 1

    def _tell(self, what: str, listener: _Listener, **values: object) -> None:
        """Warn, but seldom: a client that does it on purpose does it often."""
        now = asyncio.get_running_loop().time()
        if now - self._told >= SELDOM:
            self._told = now
            log.warning(what, target=" ".join(map(str, listener.target)), **values)


async def carry(client: socket.socket, target: SocketAddress, limits: Limits) -> None:
    """Carry one connection until both directions have ended; the caller closes ``client``.

    Raises:
        TimeoutError: the target does not answer, or nothing has moved for too long.
        OSError: the target refuses, or one of the ends broke off.
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as server:
        async with asyncio.timeout(limits.connect):
            await loop.sock_connect(server, target)
        for end in (client, server):
            _keep_alive(end, limits)
        async with asyncio.timeout(limits.idle) as patience:
            await _Passage(client, server, patience, limits).ended()


class _Passage:
    """Both directions of a connection, and the time that it may be idle."""

    def __init__(
        self, client: socket.socket, server: socket.socket, patience: "asyncio.Timeout", limits: Limits
    ) -> None:
        self._directions = [_Direction(client, server, self._moved), _Direction(server, client, self._moved)]
        self._patience = patience
        self._limits = limits

    async def ended(self) -> None:
        """Wait for the end of both."""
        try:
            await asyncio.gather(*(direction.ended for direction in self._directions))
        finally:
            for direction in self._directions:
                direction.stop()

    def _moved(self) -> None:
        if not self._patience.expired():
            half = any(direction.ended.done() for direction in self._directions)
            seconds = self._limits.half_closed if half else self._limits.idle
            self._patience.reschedule(asyncio.get_running_loop().time() + seconds)


class _Direction:
    """Carries bytes from ``source`` to ``drain``, one chunk a turn of the loop; while it cannot write it does not read.

    It stays registered with the loop: ``sock_recv`` and ``sock_sendall`` would take two more system calls a chunk.
    """

    def __init__(self, source: socket.socket, drain: socket.socket, moved: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._source, self._drain, self._moved = source, drain, moved
        self._left = b""
        self._blocked = False
        self._loop.add_reader(source, self._step)

    def stop(self) -> None:
        """Leave both ends alone."""
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._drain)

    def _step(self) -> None:
        try:
            self._advance()
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)

    def _advance(self) -> None:
        self._left = self._left or self._source.recv(CHUNK)
        if not self._left:
            with suppress(OSError):
                self._drain.shutdown(socket.SHUT_WR)
            self._end(None)
            return
        with suppress(BlockingIOError):
            self._left = self._left[self._drain.send(self._left) :]
        self._moved()
        if bool(self._left) != self._blocked:
            self._turn()

    def _turn(self) -> None:
        """From now on wait for the other end of this direction."""
        self._blocked = not self._blocked
        self.stop()
        if self._blocked:
            self._loop.add_writer(self._drain, self._step)
        else:
            self._loop.add_reader(self._source, self._step)

    def _end(self, error: OSError | None) -> None:
        self.stop()
        if self.ended.done():
            return  # the time limit ended it
        if error is None:
            self.ended.set_result(None)
            self._moved()
        else:
            self.ended.set_exception(error)


def _keep_alive(sock: socket.socket, limits: Limits) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
        sock.setsockopt(socket.IPPROTO_TCP, option, limits.keep_alive)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, limits.probes)
