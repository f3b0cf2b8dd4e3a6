"""Where the time of a request goes: each collaborator's calls are added up under its name."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar, cast

T = TypeVar("T")

_spent: ContextVar[dict[str, float] | None] = ContextVar("spent", default=None)


@contextmanager
def collect() -> Iterator[dict[str, float]]:
    """Collect the seconds spent under each name by the calls of this thread inside the ``with`` block."""
    spent: dict[str, float] = {}
    token = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(token)


def timed(name: str, collaborator: T) -> T:
    """Return a stand-in for ``collaborator`` whose method calls count under ``name``."""
    return cast("T", _Timed(name, collaborator))


class _Timed:
    """Passes everything on; calls inside a call of the same name would count twice, and there are none."""

    def __init__(self, name: str, collaborator: object) -> None:
        self._name = name
        self._collaborator = collaborator

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(self._collaborator, attribute)
        return self._count(value) if callable(value) else value

    def _count(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def counted(*arguments: Any, **named: Any) -> Any:
            spent = _spent.get()
            if spent is None:
                return function(*arguments, **named)
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent[self._name] = spent.get(self._name, 0.0) + time.perf_counter() - start

        return counted
