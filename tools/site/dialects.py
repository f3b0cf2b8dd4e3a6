"""Finds text that the site reads otherwise than a code host: Python-Markdown wants more blanks than CommonMark.

What belongs to an item of a list is indented by four blanks here, by two there; a list needs an empty line before it
here, not there. Text with four blanks and an empty line is the same to both.
"""

import re
from collections.abc import Iterator

FENCE = re.compile(r" *(```|~~~)")
ITEM = re.compile(r"([*+-]|\d+\.) +\S")


def differences(text: str) -> Iterator[str]:
    """Yield a sentence about each line of a document that the two read differently."""
    fenced, before = False, ""
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            indent = len(line) - len(line.lstrip())
            begins = not before.strip() or ITEM.match(line.lstrip())
            if line.strip() and indent % 4 and begins:
                yield f"line {number}: indent it by four blanks, not by {indent}"
            if ITEM.match(line) and before.strip() and not ITEM.match(before) and not before.startswith(" "):
                yield f"line {number}: put an empty line before the list"
        before = line
