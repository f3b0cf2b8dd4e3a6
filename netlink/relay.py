"""Forwards packets that nftables cannot translate: to the host's ::1, and IPv6 to a container that has only IPv4.

One event loop in one thread serves all ports (Docker runs one docker-proxy a port). The container sees the address of
the bridge as its client, as with docker-proxy.
"""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Sequence
from contextvars import Context
from typing import Any

from netlink.deadline import remaining
from netlink.errors import KernelError
from netlink.ip import SocketAddress
from netlink.relay_limits import Limits
from netlink.relay_tcp import Streams
from netlink.relay_udp import Datagrams

ANSWER = 5.0  # seconds for the loop to let go of a listener


class Relay:
    """The thread starts with the first port; every method may be called from any thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._lock = threading.Lock()  # guards the start of the thread
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        limits = limits or Limits()
        self._streams, self._datagrams = Streams(limits), Datagrams(limits)  # touched by the loop's thread alone

    def add(self, *listeners: tuple[socket.socket, SocketAddress]) -> None:
        """Forward from listening TCP or bound UDP sockets to their targets; the caller keeps owning the sockets."""
        if listeners:
            for listener, _ in listeners:
                listener.setblocking(False)
            # The loop keeps the context of each listener: a request's context would keep the whole request.
            self._started().call_soon_threadsafe(self._watch, listeners, context=Context())

    def remove(self, *listeners: socket.socket) -> None:
        """End the connections of ``listeners`` and leave them alone; one that was never added is passed over.

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
                self._loop = Context().run(asyncio.new_event_loop)
                self._thread = threading.Thread(target=_serve, args=[self._loop], name="relay", daemon=True)
                self._thread.start()
            return self._loop

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            asyncio.run_coroutine_threadsafe(work, self._started()).result(remaining(ANSWER))
        except TimeoutError as error:
            raise KernelError("give a relayed port back: the thread that relays does not answer") from error

    # --- in the loop's thread --------------------------------------------------------------------

    def _watch(self, listeners: Sequence[tuple[socket.socket, SocketAddress]]) -> None:
        for listener, target in listeners:
            kind = self._streams if listener.type == socket.SOCK_STREAM else self._datagrams
            kind.watch(listener, target)

    async def _remove(self, descriptors: list[int]) -> None:
        self._datagrams.leave(descriptors)
        await self._streams.leave(descriptors)

    async def _remove_all(self) -> None:
        self._datagrams.leave_all()
        await self._streams.leave_all()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
