"""Answers a caller in time, even when its work hangs in a call of the C library, a disk or a lock.

The work of a request runs in a thread of its own, and the caller waits for it with a limit. After that the caller gets
a sentence, and the work goes on with its locks, because nothing can interrupt it. A creation that ends too late takes
itself back: ``commit`` raises, and the undo stack runs under the locks that are still held. A removal is kept, because
the engine takes every removal for done.
"""

import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import structlog

from netlink.deadline import deadline
from plugin.errors import Busy

log = structlog.get_logger()

T = TypeVar("T")

PATIENCE = 20.0  # seconds until a caller is answered; over a v1 socket the engine itself would wait for ever
EARLIER = 0.9  # part of it that waits with a limit may take, so that their own sentence comes first
WORKERS = 64  # threads that carry out requests, hanging ones included


class Overdue(Busy):
    """The work succeeded, but its caller has been told that it failed, or has hung up."""


class Execution(Generic[T]):
    """One piece of work. Either its caller gives up first, or the work commits first; the other one then yields."""

    def __init__(self, work: Callable[[], T], gone: Callable[[], bool]) -> None:
        self._work = work
        self._gone = gone
        self._guard = threading.Lock()  # guards the two below
        self._given_up = False
        self._committed = False
        self._ended = threading.Event()
        self._result: T
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do the work, in the thread of a worker."""
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - it is raised to the caller, or logged
            self._error = error
        self._ended.set()
        if self._given_up:
            notes = getattr(self._error, "__notes__", None)
            details = {"notes": notes} if notes else {}
            log.warning("ended after its caller was answered", error=str(self._error or "none"), **details)

    @property
    def hangs(self) -> bool:
        """Whether the work goes on although its caller has given up."""
        return self._given_up

    def commit(self) -> None:
        """Promise the caller the result; it cannot give up any more.

        Raises:
            Overdue: the caller has given up or hung up already, so the work must be taken back.
        """
        with self._guard:
            if self._given_up:
                raise Overdue("done too late: the caller was told that it failed")
            if self._gone():
                raise Overdue("done for nobody: the caller has hung up")
            self._committed = True

    def result(self, seconds: float, waiting_for: Callable[[], str]) -> T:
        """Return the result, or raise what the work raised.

        Raises:
            Busy: it took longer than ``seconds``; the text says what the work is waiting for.
        """
        if not self._ended.wait(seconds):
            self._give_up(seconds, waiting_for)
        if self._error is not None:
            raise self._error
        return self._result

    def _give_up(self, seconds: float, waiting_for: Callable[[], str]) -> None:
        with self._guard:
            self._given_up = not self._committed and not self._ended.is_set()
        if self._given_up:
            raise Busy(f"not done within {seconds:g} s{waiting_for()}; pynet goes on with it and settles it afterwards")
        self._ended.wait()  # committed, so nothing slow is left


current: ContextVar[Execution[Any] | None] = ContextVar("pynet_execution", default=None)


def commit() -> None:
    """Commit the work of this request, as its last step before the locks are released.

    Raises:
        Overdue: its caller does not wait any more.
    """
    execution = current.get()
    if execution is not None:
        execution.commit()


class WorkerPool:
    """Threads that carry out requests; they are started when needed, and kept."""

    def __init__(self, patience: float = PATIENCE, most: int = WORKERS) -> None:
        self._patience = patience
        self._most = most
        self._guard = threading.Lock()  # guards the two numbers below
        self._threads = 0
        self._free = 0  # threads that wait for work, less the pieces of work that wait for a thread
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def run(
        self,
        work: Callable[[], T],
        gone: Callable[[], bool] = lambda: False,
        waiting_for: Callable[[], str] = lambda: "",
    ) -> T:
        """Return the result of ``work``, or raise its error; ``gone`` tells whether the caller has hung up.

        Raises:
            Busy: it was not done in time.
        """
        execution = Execution(work, gone)
        context = copy_context()
        self._hand_over(lambda: context.run(self._carry_out, execution))
        return execution.result(self._patience, waiting_for)

    def _carry_out(self, execution: Execution[Any]) -> None:
        current.set(execution)
        with deadline(self._patience * EARLIER):
            execution.run()

    def _hand_over(self, job: Callable[[], None]) -> None:
        with self._guard:
            self._free -= 1
            new = self._free < 0 and self._threads < self._most
            if new:
                self._threads += 1
                self._free += 1
        self._queue.put(job)
        if new:
            threading.Thread(target=self._serve, name="worker", daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._queue.get()()
            with self._guard:
                self._free += 1
