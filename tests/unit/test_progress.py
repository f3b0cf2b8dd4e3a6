"""A command that takes long says so, on a terminal only."""

import io
import time

from cli.progress import progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def told(stream: io.StringIO, *, quiet: float, enough: str) -> str:
    """Return what is on the stream after work that lasts until ``enough`` is there, or is over at once without it."""
    with progress("comparing", stream, quiet, period=0.01):
        while enough and enough not in stream.getvalue():
            time.sleep(0.005)
    return stream.getvalue()


def test_long_work_has_a_line_that_is_erased_at_the_end() -> None:
    """The line counts seconds, is written over, and leaves nothing."""
    text = told(Terminal(), quiet=0.0, enough="comparing ... 0 s\r")

    assert text.startswith("\r\x1b[Kcomparing ... 0 s")
    assert text.endswith("\r\x1b[K")


def test_short_work_and_pipes_have_none() -> None:
    """Work that ends before the first line is due, and a stream that scripts read."""
    assert told(Terminal(), quiet=60.0, enough="") == ""
    assert told(io.StringIO(), quiet=0.0, enough="") == ""
