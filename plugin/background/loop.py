"""Threads that work beside the requests. None ends by what nobody foresaw, and the watchdog asks how they are.

A thread waits for as long as it likes. While it works it gives signs of life, one before each part of long work: so the
longest wait of a single part decides when a thread counts as stuck, and not how much there is to do. The parts wait for
the kernel 10 s at most, for nftables 15, for locks, the engine and the stores 20 (``netlink.deadline``).
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import partial
from typing import Any, Generic, TypeVar

from plugin.background.steady import Steady

T = TypeVar("T")

LONGEST = 300.0  # seconds of work without a sign of life after which a thread is stuck
PAUSES = (0.1, 30.0)  # seconds after a turn that failed: the first time, and at most


class Loop(Generic[T]):
    """A thread that repeats itself: ``wait`` returns what there is to do, None for the end, and ``work`` does it.

    A turn that fails is logged, each error once, and the next one follows after a pause that grows.
    """

    def __init__(
        self,
        name: str,
        wait: Callable[[], T | None],
        work: Callable[[T], object],
        longest: float = LONGEST,
        pauses: tuple[float, float] = PAUSES,
    ) -> None:
        self.name = name
        self._wait = wait
        self._work = work
        self._longest = longest
        self._pauses = pauses
        self._steady = Steady()
        self._ended = threading.Event()
        self._alive_at: float | None = None  # the last sign of life, by the monotonic clock; None while it waits
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> "Loop[T]":
        """Start the thread and return this; the thread ends with the process at the latest."""
        self._thread.start()
        return self

    def attempt(self, what: T) -> bool:
        """Work in the thread of the caller, and say whether it went well."""
        return self._steady.attempt(self.name, partial(self._work, what))

    def join(self, seconds: float) -> None:
        """Wait up to ``seconds`` for the thread to end."""
        self._thread.join(seconds)

    @property
    def trouble(self) -> str:
        """What is wrong with the thread, as a sentence; "" for nothing."""
        if not self._thread.is_alive() and not self._ended.is_set():
            return f"thread '{self.name}' has died"
        alive_at = self._alive_at
        silent = 0.0 if alive_at is None else time.monotonic() - alive_at
        return f"thread '{self.name}' has given no sign of life for {silent:.0f} s" if silent > self._longest else ""

    def _run(self) -> None:
        _current.set(self)
        pause, most = self._pauses
        while not self._ended.is_set():
            if self._steady.attempt(self.name, self._turn):
                pause = self._pauses[0]
            else:
                self._ended.wait(pause)
                pause = min(2 * pause, most)

    def _turn(self) -> None:
        what = self._wait()
        if what is None:
            self._ended.set()
            return
        self.live()
        try:
            self._work(what)
        finally:
            self._alive_at = None

    def live(self) -> None:
        """Give a sign of life."""
        self._alive_at = time.monotonic()


_current: ContextVar[Loop[Any] | None] = ContextVar("pynet_loop", default=None)


def alive() -> None:
    """Say that the work of this thread goes on; outside of a ``Loop`` that is nobody's concern."""
    loop = _current.get()
    if loop is not None:
        loop.live()


def every(seconds: float) -> Callable[[], float]:
    """Return what waits for ``seconds`` and returns the time afterwards, by the monotonic clock."""

    def wait() -> float:
        time.sleep(seconds)
        return time.monotonic()

    return wait


def trouble(loops: Iterable[Loop[Any]]) -> str:
    """Return what is wrong with ``loops``; "" for nothing."""
    return "; ".join(filter(None, (loop.trouble for loop in loops)))
