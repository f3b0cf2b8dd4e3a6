"""Writes a manual page for each command, from the texts of its help: ``python -m tools.manpages FOLDER``."""

import gzip
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from cli.command_line import DOCUMENTS, ENVIRONMENT
from cli.main import main as pynet
from tools.manual import Entry, entries


def pages(command: click.Command) -> Iterator[tuple[str, str]]:
    """Yield the name of each page of ``command`` and of the commands below it, and its text in roff."""
    for entry in entries(command):
        yield entry.name, page(entry)


def page(entry: Entry) -> str:
    """Return the page of one command."""
    typed = " ".join(entry.words)
    parts = [
        f'.TH "{entry.name.upper()}" "1" "" "pynet" "pynet"',
        f".SH NAME\n{_roff(entry.name)} \\- {_roff(entry.description[0].rstrip('.'))}",
        f".SH SYNOPSIS\n.B {_roff(typed)}\n{_roff(entry.usage)}",
        ".SH DESCRIPTION\n" + "\n.PP\n".join(map(_roff, entry.description)),
        *_list("COMMANDS", entry.commands),
        *_list("OPTIONS", entry.options),
        *_lines("EXAMPLES", entry.examples),
        *_list("EXIT STATUS", [(str(code), text) for code, text in entry.all_codes.items()]),
        *_list("ENVIRONMENT", ENVIRONMENT.items()),
        _see_also(entry),
    ]
    return "\n".join(parts) + "\n"


def _see_also(entry: Entry) -> str:
    named = entry.see or ("pynet", "docker")
    pages = [f".BR {_roff(name.replace(' ', '-'))} (1)," for name in named if not name.startswith("docs/")]
    return "\n".join([".SH SEE ALSO", *pages, f"{_roff(' '.join(entry.words))} \\-\\-help. {_roff(DOCUMENTS)}"])


def _list(head: str, listed: Iterable[tuple[str, str]]) -> list[str]:
    lines = [f".TP\n.B {_roff(name)}\n{_roff(' '.join(text.split()))}" for name, text in listed]
    return [f".SH {head}\n" + "\n".join(lines)] if lines else []


def _lines(head: str, lines: Iterable[str]) -> list[str]:
    return [f".SH {head}\n.nf\n" + "\n".join(map(_roff, lines)) + "\n.fi"] if lines else []


def _roff(text: str) -> str:
    """Return a text that roff prints as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped


def main(argv: list[str]) -> None:
    """Write the pages, compressed without a date, so that the same commit gives the same bytes."""
    folder = Path(argv[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages(pynet):
        (folder / f"{name}.1.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{len(list(folder.iterdir()))} manual pages in {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
