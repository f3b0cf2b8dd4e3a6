"""One deadline for everything that waits: a request, a part of it, or a turn of a background thread sets it.

A wait that has a limit of its own asks ``remaining(limit)`` or ``end_of(limit)``. So the limits of waits that follow
each other do not add up. Without a deadline each wait has its own limit.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

SHORTEST = 0.001  # seconds; to a socket 0 would mean "do not wait at all", which is another error

_end: ContextVar[float] = ContextVar("pynet_deadline", default=float("inf"))  # on the monotonic clock


def deadline(seconds: float) -> AbstractContextManager[None]:
    """Let the waits in the block last for ``seconds`` altogether, whatever deadline there is outside of it."""
    return _ending(time.monotonic() + seconds)


def within(seconds: float) -> AbstractContextManager[None]:
    """Let the waits in the block last for ``seconds`` altogether, but not beyond the deadline outside of it."""
    return _ending(end_of(seconds))


@contextmanager
def _ending(end: float) -> Iterator[None]:
    token = _end.set(end)
    try:
        yield
    finally:
        _end.reset(token)


def end_of(limit: float) -> float:
    """Return the moment, on the monotonic clock, at which a wait of at most ``limit`` seconds has to end."""
    return min(time.monotonic() + limit, _end.get())


def remaining(limit: float) -> float:
    """Return how many seconds a wait may last: ``limit``, or the time that is left until the deadline."""
    return max(SHORTEST, min(limit, _end.get() - time.monotonic()))
