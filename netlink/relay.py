"""Forwards in user space what nftables cannot translate: the host's ::1, and IPv6 to a container that has only IPv4.

One event loop in one thread for all ports (Docker runs one docker-proxy a port). The container sees the address of the
bridge as its client, as with docker-proxy.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog

from netlink.deadline import remaining
from netlink.errors import KernelError

log = structlog.get_logger()

CHUNK = 1 << 16  # bytes that one direction of a connection holds at most
UDP_IDLE = 90.0  # seconds after which a flow is forgotten, as in docker-proxy (UDPConnTrackTimeout)
MOST_CONNECTIONS, MOST_FLOWS = 1024, 1024  # over all ports, and of one port
PAUSE = 0.1  # seconds without accepting, when the process has no descriptor left
ANSWER = 5.0  # seconds for the loop to let go of a listener
Target = tuple[str, int]


class _Listener:
    """A socket that was handed over, and what runs for it."""

    def __init__(self, sock: socket.socket, target: Target) -> None:
        self.sock = sock
        self.target = target
        self.tasks: set[asyncio.Task[None]] = set()  # TCP connections
        self.flows: dict[Any, _Flow] = {}  # UDP, by client address


class _Flow:
    """One client of a UDP port: a socket of its own towards the target."""

    def __init__(self, sock: socket.socket, expiry: asyncio.TimerHandle) -> None:
        self.sock = sock
        self.expiry = expiry


class Relay:
    """The thread starts with the first port; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the start of the thread
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._listeners: dict[int, _Listener] = {}  # by descriptor; touched by the loop's thread alone
        self._connections = 0

    def add(self, *listeners: tuple[socket.socket, Target]) -> None:
        """Forward what arrives on listening TCP or bound UDP sockets to their targets; the caller keeps owning them."""
        if listeners:
            for listener, _ in listeners:
                listener.setblocking(False)
            self._started().call_soon_threadsafe(self._watch, [_Listener(*pair) for pair in listeners])

    def remove(self, *listeners: socket.socket) -> None:
        """End what runs for ``listeners`` and touch them no more; one that was never added is passed over.

        Raises:
            KernelError: the thread does not answer.
        """
        if self._loop is not None and listeners:
            self._run(self._remove([listener.fileno() for listener in listeners]))

    def close(self) -> None:
        """End everything, and the thread."""
        with self._lock:
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self._remove_all(), loop).result(ANSWER)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(ANSWER)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=[self._loop], name="relay", daemon=True)
                self._thread.start()
            return self._loop

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            asyncio.run_coroutine_threadsafe(work, self._started()).result(remaining(ANSWER))
        except TimeoutError as error:
            raise KernelError("give a relayed port back: the thread that relays does not answer") from error

    # --- in the loop's thread --------------------------------------------------------------------

    def _watch(self, listeners: list[_Listener]) -> None:
        for listener in listeners:
            self._listeners[listener.sock.fileno()] = listener
            self._resume(listener)

    def _resume(self, listener: _Listener) -> None:
        if self._listeners.get(listener.sock.fileno()) is listener:
            act = self._accept if listener.sock.type == socket.SOCK_STREAM else self._receive
            asyncio.get_running_loop().add_reader(listener.sock, act, listener)

    async def _remove(self, descriptors: list[int]) -> None:
        ending: list[asyncio.Task[None]] = []
        for descriptor in descriptors:
            listener = self._listeners.pop(descriptor, None)
            if listener is not None:
                asyncio.get_running_loop().remove_reader(descriptor)
                ending += listener.tasks
                for client in list(listener.flows):
                    _forget(listener, client)
        await asyncio.sleep(0)  # a task that is cancelled before its first step would not close its socket
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _remove_all(self) -> None:
        await self._remove(list(self._listeners))

    def _accept(self, listener: _Listener) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, _ = listener.sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            log.debug("relay pauses", error=str(error))
            loop.remove_reader(listener.sock)
            loop.call_later(PAUSE, self._resume, listener)
            return
        if self._connections >= MOST_CONNECTIONS:
            connection.close()
            return
        self._connections += 1
        task = loop.create_task(_connect(connection, listener.target))
        listener.tasks.add(task)
        task.add_done_callback(lambda done: self._ended(listener, done))

    def _ended(self, listener: _Listener, task: asyncio.Task[None]) -> None:
        self._connections -= 1
        listener.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("relayed connection ended", error=str(error))

    def _receive(self, listener: _Listener) -> None:
        with suppress(OSError):
            datagram, client = listener.sock.recvfrom(CHUNK)
            flow = listener.flows.get(client) or _new_flow(listener, client)
            if flow is not None:
                _stay(listener, client, flow)
                flow.sock.send(datagram)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _connect(connection: socket.socket, target: Target) -> None:
    """Carry one TCP connection until both directions have ended."""
    try:
        client_in, client_out = await asyncio.open_connection(sock=connection, limit=CHUNK)
    except BaseException:
        connection.close()
        raise
    writers = [client_out]
    try:
        target_in, target_out = await asyncio.open_connection(*target, limit=CHUNK)
        writers.append(target_out)
        await asyncio.gather(_pump(client_in, target_out), _pump(target_in, client_out))
    finally:
        for writer in writers:
            writer.close()


async def _pump(source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
    drain.transport.set_write_buffer_limits(high=CHUNK)
    while data := await source.read(CHUNK):
        drain.write(data)
        await drain.drain()
    drain.write_eof()


def _new_flow(listener: _Listener, client: Any) -> _Flow | None:
    if len(listener.flows) >= MOST_FLOWS:
        return None
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET6 if ":" in listener.target[0] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.connect(listener.target)
    except OSError:
        sock.close()
        raise
    flow = listener.flows[client] = _Flow(sock, loop.call_later(UDP_IDLE, _forget, listener, client))
    loop.add_reader(sock, _answer, listener, client, flow)
    return flow


def _answer(listener: _Listener, client: Any, flow: _Flow) -> None:
    with suppress(OSError):
        datagram = flow.sock.recv(CHUNK)
        _stay(listener, client, flow)
        listener.sock.sendto(datagram, client)


def _stay(listener: _Listener, client: Any, flow: _Flow) -> None:
    flow.expiry.cancel()
    flow.expiry = asyncio.get_running_loop().call_later(UDP_IDLE, _forget, listener, client)


def _forget(listener: _Listener, client: Any) -> None:
    flow = listener.flows.pop(client, None)
    if flow is not None:
        flow.expiry.cancel()
        asyncio.get_running_loop().remove_reader(flow.sock)
        flow.sock.close()
