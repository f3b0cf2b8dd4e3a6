"""Prints values for people as tables, and for scripts as JSON."""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

NARROW = 36  # characters


def as_json(value: Any) -> str:
    """Return a value for scripts; dataclasses in it become objects."""
    return json.dumps(value, indent=2, default=asdict)


def as_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows, the heads of the columns first, with columns as wide as their widest cell."""
    return padded(rows, [max(map(len, column)) for column in zip(*rows, strict=True)])


def padded(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """Return rows with columns of these ``widths``."""
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def as_wrapped_table(rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Return rows whose last column is wrapped to ``width`` characters, by default those of the terminal.

    Where that leaves the last column less than ``NARROW``, each row is a paragraph. Nothing is wrapped for a pipe, so
    that a line can be searched.
    """
    room = width or _width()
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    rest = room - sum(widths) - 2 * len(widths)
    if rest < NARROW:
        return "\n".join(_paragraph(rows[0], row, room) for row in rows[1:])
    wrapped = [(row[:-1], textwrap.wrap(row[-1], rest, break_on_hyphens=False) or [""]) for row in rows]
    lines = [[*cells, part] for first, parts in wrapped for cells, part in _joined(first, parts)]
    return as_table(lines)


def wrapped(text: str, indent: int = 0) -> str:
    """Return a text that is wrapped to the terminal; its second line and those that follow are indented."""
    return textwrap.fill(text, _width(), subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)


def _joined(first: Sequence[str], parts: Sequence[str]) -> list[tuple[list[str], str]]:
    blank = [""] * len(first)
    return [(list(first) if not number else blank, part) for number, part in enumerate(parts)]


def _paragraph(heads: Sequence[str], row: Sequence[str], room: int) -> str:
    first = [row[0], *(f"{head.lower()}: {cell}" for head, cell in zip(heads[1:-1], row[1:-1], strict=True))]
    indent = " " * 4
    text = textwrap.fill(row[-1], room, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return f"{'  '.join(first)}\n{text}"


def _width() -> int:
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size().columns
    return sys.maxsize
