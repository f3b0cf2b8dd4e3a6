"""Takes back the steps of a verb that fails half-way, without stopping at a step that cannot be taken back."""

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

import structlog

from netlink.deadline import deadline
from netlink.errors import Missing

log = structlog.get_logger()

PATIENCE = 20.0  # seconds for all steps together; the caller may have its answer by then

Step = tuple[Callable[..., Any], tuple[Any, ...]]


class Undo:
    """A stack of calls that run in reverse when the ``with`` block ends by an exception, and never otherwise.

    A call that fails is logged and noted on the error. It neither stops the others nor hides the error. ``keep`` gets
    the calls that failed, to do them later: they can be repeated.
    """

    def __init__(self, keep: Callable[[Sequence[Step]], None] = lambda _: None) -> None:
        self._keep = keep
        self._steps: list[Step] = []

    def push(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Remember the call that takes back a step: right after the step, or before it if its answer may get lost."""
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
                self._keep([step for step, _ in failed])


def run_all(steps: Iterable[Step]) -> list[tuple[Step, Exception]]:
    """Run every step, and return those that failed with their errors. A thing that is gone already is no failure."""
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
