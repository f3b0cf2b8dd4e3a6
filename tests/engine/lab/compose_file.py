"""Reads the YAML of Compose files as ``examples/`` write it: mappings, texts and lists, by their indentation."""

from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """Return the content of a Compose file."""
    texts = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    lines = [line.split(" #")[0].rstrip() for line in texts]
    found, rest = _block([line for line in lines if line], 0)
    assert not rest
    assert isinstance(found, dict)
    return found


def _block(lines: list[str], indent: int) -> tuple[Any, list[str]]:
    """Read the lines that are indented by ``indent`` or more; return the value and the lines behind it."""
    if lines[0].lstrip().startswith("- "):
        return _list(lines, indent)
    found: dict[str, Any] = {}
    while lines and _depth(lines[0]) == indent:
        key, _, text = lines[0].strip().partition(": ")
        lines = lines[1:]
        if text:
            found[key] = _plain(text)
        elif lines and _depth(lines[0]) > indent:
            found[key.rstrip(":")], lines = _block(lines, _depth(lines[0]))
        else:
            found[key.rstrip(":")] = {}
    return found, lines


def _list(lines: list[str], indent: int) -> tuple[list[str], list[str]]:
    found = []
    while lines and _depth(lines[0]) == indent and lines[0].lstrip().startswith("- "):
        found.append(_plain(lines[0].strip()[2:]))
        lines = lines[1:]
    return found, lines


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _plain(text: str) -> str:
    return text.strip().strip('"')
