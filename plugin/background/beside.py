"""Lets a copy of this process do work that only reads: the threads of one process compute one after the other."""

import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, NoReturn, TypeVar

from plugin.background.parent import die_with_parent

T = TypeVar("T")
Work = Callable[[], Any]
Beside = Callable[[Work], AbstractContextManager[Work]]
LONGEST = 10.0  # seconds; 0.2 for 2,000 endpoints


@contextmanager
def afterwards(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Yield the work itself, which is done when its result is asked for."""
    yield work


@contextmanager
def beside(work: Callable[[], T], longest: float = LONGEST) -> Iterator[Callable[[], T]]:
    """Begin ``work`` in a copy of this process, and yield a function that waits for its result.

    Whatever the work changes is lost. It takes no locks and uses no connection that is open now, as other threads are
    not in the copy, and both processes would read from one connection. If the copy fails, or takes more than
    ``longest`` seconds, this process does the work when the result is asked for, so the caller sees the error.
    """
    parent, (reading, writing) = os.getpid(), os.pipe()
    try:
        child = os.fork()
    except OSError:
        child = -1
    if child == 0:
        _answer(work, writing, parent, longest)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        try:
            yield partial(_result, answer.read, work)
        finally:
            if child > 0:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _answer(work: Work, writing: int, parent: int, longest: float) -> NoReturn:
    """Write the result, and end without the end of a whole process; an error leaves nothing or a part of it."""
    try:
        die_with_parent()  # it must not keep sockets and locks after kill -9
        signal.setitimer(signal.ITIMER_REAL, longest)  # a lock that another thread held is never released in a copy
        if os.getppid() == parent:
            with os.fdopen(writing, "wb") as answer:
                answer.write(pickle.dumps(work()))
    finally:
        os._exit(0)


def _result(read: Callable[[], bytes], work: Callable[[], T]) -> T:
    try:
        found: T = pickle.loads(read())  # noqa: S301 - of our own copy
    except (EOFError, pickle.UnpicklingError):
        return work()
    return found
