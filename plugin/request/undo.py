"""What to take back when a verb fails half-way, and how to tear down without stopping at the first failure."""

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

import structlog

from netlink.deadline import deadline
from netlink.errors import Missing

log = structlog.get_logger()

PATIENCE = 20.0  # seconds for everything that is taken back; the caller has its answer by then

Step = tuple[Callable[..., Any], tuple[Any, ...]]


class Undo:
    """A stack of calls that run in reverse when the ``with`` block ends by an exception, and never otherwise.

    An undo that fails itself is logged and noted on the error; it neither stops the others nor hides the error. Those
    that failed are handed to ``owe``, which sees to it that they are done later: they can be repeated.
    """

    def __init__(self, owe: Callable[[Sequence[Step]], None] = lambda _: None) -> None:
        self._owe = owe
        self._steps: list[Step] = []

    def push(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Remember ``function(*arguments)``, right after the success that it takes back."""
        self._steps.append((function, arguments))

    def __enter__(self) -> "Undo":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            with deadline(PATIENCE):
                failed = run_all(reversed(self._steps))
            for _, failure in failed:
                error.add_note(f"undo failed: {failure}")
            if failed:
                self._owe([step for step, _ in failed])


def run_all(steps: Iterable[Step]) -> list[tuple[Step, Exception]]:
    """Run every step, whatever the others do; return what failed, and why. What is gone already is no failure."""
    failed: list[tuple[Step, Exception]] = []
    for step in steps:
        function, arguments = step
        try:
            function(*arguments)
        except Missing:
            pass
        except Exception as failure:  # noqa: BLE001 - a teardown collects everything
            log.warning("clean-up step failed", step=getattr(function, "__name__", str(function)), error=str(failure))
            failed.append((step, failure))
    return failed
