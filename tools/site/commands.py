"""The command reference, from the texts of the help."""

import re

import click

from tools.manual import Entry, entries
from tools.option_tables import filled

PLACE = "commands"  # name of the markers around the text that is replaced


def with_reference(markdown: str, command: click.Command) -> str:
    """Return the text of a page with the reference between the markers, if the page has them."""
    return filled(markdown, PLACE, reference(command)) if f"<!-- {PLACE} -->" in markdown else markdown


def reference(command: click.Command) -> str:
    """Return a section in Markdown for ``command``, and for each command below it."""
    return "\n\n".join(map(_section, entries(command)))


def _section(entry: Entry) -> str:
    typed = " ".join(entry.words)
    parts = [f"## {typed}", f"```\n{typed} {entry.usage}\n```", *map(_plain, entry.description)]
    if entry.commands:
        parts.append(_table("command", [(f"[{name}](#{entry.name}-{name})", text) for name, text in entry.commands]))
    told = [(f"`{option}`", text) for option, text in entry.options if text and "--help" not in option]
    if told:
        parts.append(_table("option", told))
    if entry.examples:
        parts.append("```\n" + "\n".join(entry.examples) + "\n```")
    if entry.codes:
        parts.append(_table("exit code", [(str(code), text) for code, text in entry.codes]))
    return "\n\n".join(parts)


def _table(head: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| {name} | {_plain(text)} |" for name, text in rows]
    return "\n".join([f"| {head} | meaning |", "|---|---|", *lines])


def _plain(text: str) -> str:
    """Return a text of the help in Markdown; only its doubled backticks mean something there."""
    parts = text.split("``")
    parts[::2] = [re.sub(r"([\\`*_<|\[])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
