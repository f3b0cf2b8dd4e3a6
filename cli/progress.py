"""A line on the terminal about work that takes longer than two seconds."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

QUIET = 2.0  # seconds before the first line
_CLEARED = "\r\x1b[K"  # to the beginning of the line, and erase it (ECMA-48, EL)


@contextmanager
def progress(doing: str, stream: TextIO | None = None, quiet: float = QUIET, period: float = 1.0) -> Iterator[None]:
    """Write "DOING ... 3 s" on standard error, if that is a terminal, while the block runs; then erase it."""
    out = stream or sys.stderr
    if not out.isatty():
        yield
        return
    done, begin = threading.Event(), time.monotonic()
    thread = threading.Thread(target=_tell, args=(doing, out, done, begin, (quiet, period)), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _tell(doing: str, out: TextIO, done: threading.Event, begin: float, pauses: tuple[float, float]) -> None:
    quiet, period = pauses
    if done.wait(quiet):
        return
    while True:
        out.write(f"{_CLEARED}{doing} ... {time.monotonic() - begin:.0f} s")
        out.flush()
        if done.wait(period):
            out.write(_CLEARED)
            out.flush()
            return
