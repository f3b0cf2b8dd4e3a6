"""A text on the terminal that is drawn again in its place."""

import shutil
from collections.abc import Callable
from os import terminal_size
from types import TracebackType
from typing import TextIO

import click

from cli.listing import ellipsis

# Control sequences of ECMA-48 and, for the cursor, of DEC's VT220; every terminal since then knows them.
_UP, _ERASE_BELOW, _HIDE_CURSOR, _SHOW_CURSOR = "\x1b[{}A", "\r\x1b[J", "\x1b[?25l", "\x1b[?25h"


class Screen:
    """Draws texts on ``stream``, each over the one before, and no larger than the terminal is at that moment.

    The last text stays when the block ends, however it ends.
    """

    def __init__(self, stream: TextIO, size: Callable[[], terminal_size] = shutil.get_terminal_size) -> None:
        self._stream = stream
        self._size = size
        self._drawn = 0  # lines above the cursor

    def __enter__(self) -> "Screen":
        self._stream.write(_HIDE_CURSOR)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.write(_SHOW_CURSOR)
        self._stream.flush()

    def draw(self, text: str, style: Callable[[int, str], str] = lambda _, line: line) -> None:
        """Draw ``text``; ``style`` gets the number and the text of each line, and returns it coloured or not."""
        columns, rows = self._size()
        lines = [ellipsis(max(1, columns))(line) for line in text.splitlines()[: max(1, rows - 1)]]
        up = _UP.format(self._drawn) if self._drawn else ""
        shown = "".join(f"{style(number, line)}\n" for number, line in enumerate(lines))
        self._stream.write(f"{up}{_ERASE_BELOW}{shown}")
        self._stream.flush()
        self._drawn = len(lines)


def coloured(context: click.Context) -> bool:
    """Return whether texts may be coloured, see NO_COLOR."""
    return context.find_root().color is not False
