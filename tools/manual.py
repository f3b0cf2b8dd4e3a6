"""The texts of the commands' help in parts, of which the manual pages and the documents are made."""

from collections.abc import Iterator
from dataclasses import dataclass

import click

from cli.command_line import first_paragraph
from cli.exit_codes import MEANINGS


@dataclass(frozen=True)
class Entry:
    """One command."""

    words: tuple[str, ...]  # as they are typed
    usage: str  # its arguments
    description: tuple[str, ...]  # paragraphs, the first one a sentence
    commands: tuple[tuple[str, str], ...]  # names of commands below it, each with its first paragraph
    options: tuple[tuple[str, str], ...]
    examples: tuple[str, ...]  # lines
    codes: tuple[tuple[int, str], ...]  # exit codes that mean something else than ``cli.exit_codes`` says
    see: tuple[str, ...]  # related commands and documents

    @property
    def all_codes(self) -> dict[int, str]:
        """All exit codes, with the meanings that they have for this command."""
        return {**MEANINGS, **dict(self.codes)}

    @property
    def name(self) -> str:
        """As a manual page is called."""
        return "-".join(self.words)


def entries(
    command: click.Command, words: tuple[str, ...] = ("pynet",), above: click.Context | None = None
) -> Iterator[Entry]:
    """Yield the command, and the commands below it in the order of their names; ``above`` is the context of its group.

    A command keeps the names of its help option, -h and --help, as the first context has them.
    """
    context = click.Context(command, above, info_name=words[-1], **command.context_settings)
    below = getattr(command, "commands", {})
    yield Entry(
        words,
        usage=" ".join(command.collect_usage_pieces(context)),
        description=_paragraphs(command),
        commands=tuple((name, first_paragraph(below[name])) for name in sorted(below)),
        options=tuple(record for each in command.get_params(context) if (record := each.get_help_record(context))),
        examples=tuple(getattr(command, "examples", ())),
        codes=tuple(getattr(command, "codes", {}).items()),
        see=tuple(getattr(command, "see", ())),
    )
    for name in sorted(below):
        yield from entries(below[name], (*words, name), context)


def _paragraphs(command: click.Command) -> tuple[str, ...]:
    return tuple(" ".join(text.split()) for text in (command.help or "").strip().split("\n\n"))
