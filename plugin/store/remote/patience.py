"""How long a request may wait for the cluster store: whatever it asks, a new join fails within five seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

OPERATION = 3.5  # seconds for one operation, with all its attempts; an election of etcd takes up to two
AFTER_FAILURE = 1.0  # seconds for an operation after one that failed: the store is probably still away

_until: ContextVar[float] = ContextVar("until")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let everything that is asked of a store in this block take ``seconds`` in total."""
    token = _until.set(deadline(seconds))
    try:
        yield
    finally:
        _until.reset(token)


def deadline(seconds: float) -> float:
    """Return the end of an operation of ``seconds``, on the monotonic clock; never behind that of the block."""
    return min(time.monotonic() + seconds, _until.get(float("inf")))
