"""Writes a manual page for each command, from the texts of its help: ``python -m tools.manpages FOLDER``."""

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from cli.main import main as pynet


def pages(command: click.Command, words: tuple[str, ...] = ("pynet",)) -> Iterator[tuple[str, str]]:
    """Yield the name of each page of ``command`` and of the commands below it, and its text in roff."""
    yield "-".join(words), page(command, words)
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from pages(below, (*words, name))


def page(command: click.Command, words: tuple[str, ...]) -> str:
    """Return the page of one command."""
    context = click.Context(command, info_name=" ".join(words))
    first, *rest = (command.help or "").strip().split("\n\n")
    usage = " ".join(command.collect_usage_pieces(context))
    name, title = "-".join(words), "-".join(words).upper()
    parts = [
        f'.TH "{title}" "1" "" "pynet" "pynet"',
        f".SH NAME\n{_roff(name)} \\- {_roff(first.rstrip('.'))}",
        f".SH SYNOPSIS\n.B {_roff(' '.join(words))}\n{_roff(usage)}",
        ".SH DESCRIPTION\n" + "\n.PP\n".join(_roff(" ".join(text.split())) for text in [first, *rest]),
        *_list("COMMANDS", _commands(command)),
        *_list("OPTIONS", _options(command, context)),
        *_examples(command.epilog or ""),
        _SEE_ALSO.format(" ".join(words)),
    ]
    return "\n".join(parts) + "\n"


_SEE_ALSO = """.SH ENVIRONMENT
PYNET_SOCKET names the socket of the pynet that is asked, and DOCKER_HOST that of the engine.
.SH SEE ALSO
.BR pynet (1),
.BR docker\\-ps (1);
{0} \\-\\-help"""


def _commands(command: click.Command) -> list[tuple[str, str]]:
    found = getattr(command, "commands", {})
    return [(name, (found[name].help or "").split("\n\n")[0]) for name in sorted(found)]


def _options(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    return [record for each in command.get_params(context) if (record := each.get_help_record(context))]


def _list(head: str, entries: list[tuple[str, str]]) -> list[str]:
    lines = [f".TP\n.B {_roff(name)}\n{_roff(' '.join(text.split()))}" for name, text in entries]
    return [f".SH {head}\n" + "\n".join(lines)] if lines else []


def _examples(epilog: str) -> list[str]:
    lines = [line.strip() for line in epilog.splitlines() if line.startswith("  ")]
    return [".SH EXAMPLES\n.nf\n" + "\n".join(map(_roff, lines)) + "\n.fi"] if lines else []


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
