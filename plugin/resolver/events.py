"""One thread that waits for many sockets and for points in time."""

import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Timer:
    """A call at a point in time, until it is cancelled."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        """Call nothing."""
        self.call = None


class SocketEvents:
    """Calls back when a socket is ready or a time has come. All methods but ``stop`` belong to one thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._bell, self._ear = socket.socketpair()
        self.watch(self._ear, READ, lambda: None)
        self._stopped = False

    def watch(self, sock: socket.socket, when: int, call: Callable[[], object]) -> None:
        """Call when ``sock`` is ready, in the place of what was called before."""
        if sock.fileno() in self._selector.get_map():
            self._selector.modify(sock, when, call)
        else:
            self._selector.register(sock, when, call)

    def close(self, sock: socket.socket) -> None:
        """Watch a socket no more, and close it."""
        if sock.fileno() >= 0:
            if sock.fileno() in self._selector.get_map():
                self._selector.unregister(sock)
            sock.close()

    def later(self, seconds: float, call: Callable[[], object]) -> Timer:
        """Call after so many seconds."""
        timer = Timer(call)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._count), timer))
        return timer

    def stop(self) -> None:
        """End ``run``, from any thread."""
        self._stopped = True
        self._bell.send(b"!")

    def run(self, guard: Callable[[Callable[[], Any]], object]) -> None:
        """Work until ``stop``; each call goes through ``guard``, which must not raise."""
        while not self._stopped:
            for key, _ in self._selector.select(self._pause()):
                guard(key.data)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                timer = heapq.heappop(self._timers)[2]
                if timer.call is not None:
                    guard(timer.call)

    def end(self) -> None:
        """Close all sockets."""
        for key in list(self._selector.get_map().values()):
            self.close(key.fileobj)  # type: ignore[arg-type]
        self._bell.close()
        self._selector.close()

    def _pause(self) -> float | None:
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
