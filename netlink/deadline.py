"""One deadline a request, from which everything that waits below it draws.

A wait that has a limit of its own asks ``remaining(limit)``; so limits that follow each other do not add up. What
happens outside of a request has no deadline, and each wait its own limit.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

SHORTEST = 0.001  # seconds; to a socket 0 would mean "do not wait at all", which is another error

_until: ContextVar[float | None] = ContextVar("pynet_deadline", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let what waits in the block wait for ``seconds`` altogether, whatever deadline there was outside of it."""
    token = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(token)


def remaining(limit: float) -> float:
    """Return how many seconds a wait may take: ``limit``, or what is left until the deadline."""
    until = _until.get()
    return limit if until is None else max(SHORTEST, min(limit, until - time.monotonic()))
