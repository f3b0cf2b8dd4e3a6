"""Threads that work in the background. An unforeseen error never ends one, and the watchdog asks how they are.

A thread may wait as long as it likes. While it works it gives signs of life, one before each part of long work. So
the longest wait of a single part decides when a thread counts as stuck, not the amount of work. A part waits at most
10 s for the kernel, 15 s for nftables, and 20 s for locks, the engine and the stores (``netlink.deadline``).
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import structlog

from netlink.errors import KernelError
from plugin.errors import PynetError

log = structlog.get_logger()

T = TypeVar("T")

LONGEST = 300.0  # seconds of work without a sign of life after which a thread is stuck
MOST = 1000  # failures that are remembered
PAUSES = (0.1, 30.0)  # seconds to wait after a failed turn: the first time, and at most


class Steady:
    """Runs calls whose errors must not end the thread."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()  # the call, and its error

    def attempt(self, what: str, call: Callable[[], object]) -> bool:
        """Call, and return whether it succeeded; each error is logged once, until the call succeeds again."""
        try:
            call()
        except Exception as error:  # noqa: BLE001 - it is logged
            self._say(what, error)
            return False
        self._said = {said for said in self._said if said[0] != what}
        return True

    def _say(self, what: str, error: Exception) -> None:
        said = what, repr(error)
        if said in self._said:
            return
        if len(self._said) >= MOST:
            self._said.clear()
        self._said.add(said)
        if isinstance(error, KernelError | PynetError):
            log.warning(f"{what} failed, goes on", error=str(error))
        else:
            log.error(f"{what} failed, goes on", exc_info=error)


class Loop(Generic[T]):
    """A thread that repeats two steps: ``wait`` returns the next task, None to end, and ``work`` carries it out.

    A failed turn is logged, each error once, and the next turn follows after a pause that grows.
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
        """Start the thread, and return self; the thread ends with the process at the latest."""
        self._thread.start()
        return self

    def attempt(self, what: T) -> bool:
        """Work in the thread of the caller; return whether it succeeded."""
        return self._steady.attempt(self.name, partial(self._work, what))

    def join(self, seconds: float) -> None:
        """Wait up to ``seconds`` for the thread to end."""
        self._thread.join(seconds)

    @property
    def trouble(self) -> str:
        """The problem of the thread as a sentence, "" if it is well."""
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
    """Give a sign of life for the ``Loop`` of this thread; do nothing in other threads."""
    loop = _current.get()
    if loop is not None:
        loop.live()


def every(seconds: float) -> Callable[[], float]:
    """Return a function that waits for ``seconds`` and returns the monotonic time afterwards."""

    def wait() -> float:
        time.sleep(seconds)
        return time.monotonic()

    return wait


class Troubled(Protocol):
    """A thread, or something with a thread now and then."""

    @property
    def trouble(self) -> str:
        """Its problem as a sentence, "" if it is well."""


def trouble(loops: Iterable[Troubled]) -> str:
    """Return the problems of ``loops`` as a text, "" if all are well."""
    return "; ".join(filter(None, (loop.trouble for loop in loops)))
