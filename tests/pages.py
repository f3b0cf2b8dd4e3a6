"""The commands that pages for users show, who plays them, and the output that the pages promise.

A block of commands is fenced as ``sh``, and a comment above it names who plays it: ``engine`` (the engine ring),
``trial`` (a bare machine, tests/trial), or the path of a test that types the same. A block fenced as ``text`` right
behind it is its output: ``…`` stands for anything in a line, and alone in a line for any number of lines.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs/guide"
ENGINE, TRIAL = "engine", "trial"
_BLOCK = re.compile(
    r"^(?P<heading>#+ [^\n]+)$|(?:^<!-- played: (?P<player>[^\n]+) -->\n\n)?"
    r"^```(?:sh|console)\n(?P<commands>.*?)^```$(?:\n\n```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
_LOOSE = re.compile(
    r"(?P<id64>\b[0-9a-f]{64}\b)|(?P<id12>\b[0-9a-f]{12}\b)|(?P<time>\btime=[\d.]+)"
    r"|(?P<address>\b172\.\d+\.(?=\d))|(?P<rest>…)|(?P<ago>\d+ \w+ ago)|(?P<up>\bUp \d+ \w+)|(?P<blanks> +)"
)
# Ids, times and addresses that the engine chooses differ from run to run.
_INSTEAD = {
    "id64": "[0-9a-f]{64}",
    "id12": "[0-9a-f]{12}",
    "time": r"time=[\d.]+",
    "address": r"172\.\d+\.",
    "rest": ".*",
    "ago": r"\w[\w ]* ago",
    "up": r"Up \w[\w ]*",
    "blanks": " +",
}


@dataclass(frozen=True, slots=True)
class Block:
    """Commands of a page; ``section`` is the anchor of the heading above, ``player`` is "" if nobody plays them."""

    page: str
    section: str
    player: str
    commands: str
    output: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of commands of a page, in order."""
    section = ""
    for match in _BLOCK.finditer(page.read_text()):
        if match["heading"]:
            section = anchor(match["heading"].lstrip("# "))
        else:
            yield Block(page.name, section, match["player"] or "", match["commands"], match["output"] or "")


def anchor(heading: str) -> str:
    """Return the anchor that code hosts and the site give to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def prints(expected: str, printed: str) -> bool:
    """Return whether ``printed`` is what a page promises."""
    lines = [_pattern(line.rstrip()) for line in expected.splitlines()]
    text = "".join(f"{line.rstrip()}\n" for line in printed.strip().splitlines())
    return re.fullmatch("".join(lines), text) is not None


def _pattern(line: str) -> str:
    if line == "…":
        return r"(?:.*\n)*?"
    pattern, done = "", 0
    for match in _LOOSE.finditer(line):
        pattern += re.escape(line[done : match.start()]) + _INSTEAD[match.lastgroup or ""]
        done = match.end()
    return f"{pattern}{re.escape(line[done:])}\n"
