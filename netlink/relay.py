"""Forwards packets that nftables cannot translate: to the host's ::1, and IPv6 to a container that has only IPv4.

One event loop in one thread serves all ports (Docker runs one docker-proxy a port). The container sees the address of
the bridge as its client, as with docker-proxy.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any

from netlink.deadline import remaining
from netlink.errors import KernelError
from netlink.ip import SocketAddress
from netlink.relay_limits import Limits
from netlink.relay_tcp import Streams
from netlink.relay_udp import Datagrams

Listener = tuple[socket.socket, SocketAddress]  # a socket, and its target
ANSWER = 5.0  # seconds for the loop to let go of a listener


class Relay:
    """The thread starts with the first port, and loads asyncio; every method may be called from any thread."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._lock = threading.Lock()  # guards the three below
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._early: list[Listener] = []  # that came before the loop was there
        self._running = threading.Event()
        limits = limits or Limits()
        self._streams, self._datagrams = Streams(limits), Datagrams(limits)  # touched by the loop's thread alone

    def add(self, *listeners: Listener) -> None:
        """Forward from listening TCP or bound UDP sockets to their targets; the caller keeps owning the sockets."""
        for listener, _ in listeners:
            listener.setblocking(False)
        with self._lock:
            if self._loop is None:
                self._early += listeners
                self._start()
            elif listeners:
                # The loop keeps the context of each listener: a request's context would keep the whole request.
                self._loop.call_soon_threadsafe(self._watch, listeners, context=Context())

    def remove(self, *listeners: socket.socket) -> None:
        """End the connections of ``listeners`` and leave them alone; one that was never added is passed over.

        Raises:
            KernelError: the thread does not answer.
        """
        if self._thread is not None and listeners:
            descriptors = [listener.fileno() for listener in listeners]
            self._run(lambda: self._remove(descriptors), remaining(ANSWER))

    def close(self) -> None:
        """End everything, and the thread."""
        if self._thread is not None:
            self._run(self._remove_all, ANSWER)
            with self._lock:
                loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
                self._running.clear()
            if loop is not None and thread is not None:
                loop.call_soon_threadsafe(loop.stop)
                thread.join(ANSWER)

    def _start(self) -> None:
        if self._early and self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="relay", daemon=True)
            self._thread.start()

    def _run(self, work: Callable[[], Coroutine[Any, Any, None]], patience: float) -> None:
        if self._running.wait(patience) and self._loop is not None:
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(work(), self._loop).result(patience)
                return
        raise KernelError("give a relayed port back: the thread that relays does not answer")

    # --- in the loop's thread --------------------------------------------------------------------

    def _serve(self) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        with self._lock:
            self._loop, early, self._early = loop, self._early, []
        loop.call_soon(self._watch, early)
        self._running.set()
        try:
            loop.run_forever()
        finally:
            loop.close()

    def _watch(self, listeners: Sequence[Listener]) -> None:
        for listener, target in listeners:
            kind = self._streams if listener.type == socket.SOCK_STREAM else self._datagrams
            kind.watch(listener, target)

    async def _remove(self, descriptors: list[int]) -> None:
        self._datagrams.leave(descriptors)
        await self._streams.leave(descriptors)

    async def _remove_all(self) -> None:
        self._datagrams.leave_all()
        await self._streams.leave_all()
