"""``pynet path``: the steps of a packet as lines, and the ends of a path by their names."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from cli.commands.name_book import NameBook
from plugin.engine.names import Known, with_names
from plugin.protocol.path_messages import ENDPOINTS, EndKind, Fate

CODES = {Fate.PASSES: 0, Fate.DROPPED: 1, Fate.REFUSED: 1, Fate.UNCLEAR: 2}
_MARKS = {Fate.PASSES: "ok", Fate.DROPPED: "dropped", Fate.REFUSED: "refused", Fate.UNCLEAR: "unclear"}
_WORDS = {
    Fate.PASSES: "passes",
    Fate.DROPPED: "is dropped, the sender is not told",
    Fate.REFUSED: "is refused, and the sender is told at once",
    Fate.UNCLEAR: "may be stopped by another firewall, whose rules pynet cannot follow",
}


OR_NO_END = ", and it is no address, and not host or outside"  # about a word that names no end of a packet's way


def end_of(word: str, known: NameBook) -> str:
    """Return an end of a path as the verb Path reads it: ``word`` is host, outside, an address or a container.

    Raises:
        NotFound, BadUsage, Failed: as ``NameBook.running``.
    """
    if word in {EndKind.HOST, EndKind.OUTSIDE}:
        return word
    try:
        return str(ip_address(word))
    except ValueError:
        return ENDPOINTS + ",".join(sorted(known.running(word, OR_NO_END).endpoints))


def as_data(reply: Mapping[str, Any], question: Sequence[str], known: Known) -> dict[str, Any]:
    """Return the reply to the verb Path with the keys of commands, and with names in the place of ids."""
    source, target, service = question
    steps = [
        {"by": one["By"], "fate": one["Fate"], "decides": one["Decides"], "text": with_names(one["Text"], known)}
        for one in reply["Steps"]
    ]
    return {"from": source, "to": target, "service": service, "fate": reply["Fate"], "steps": steps}


def as_text(data: Mapping[str, Any]) -> str:
    """Return the question, a line for each step, the deciding one marked by an arrow, and the outcome."""
    return f"{_what(data)}\n{_lines(data)}\nit {_WORDS[Fate(data['fate'])]}"


def as_ruling(data: Mapping[str, Any]) -> str:
    """Return the question, a line for each policy that judges, and whether all of them allow it."""
    return f"{_what(data)}\n{_lines(data)}\nit is {'allowed' if data['fate'] == Fate.PASSES else 'refused'}"


def _what(data: Mapping[str, Any]) -> str:
    return f"{data['service']} from {data['from']} to {data['to']}"


def _lines(data: Mapping[str, Any]) -> str:
    steps = data["steps"]
    width = max(len(step["by"]) for step in steps)
    marks = max(len(_MARKS[Fate(step["fate"])]) for step in steps)
    lines = [
        f"{'->' if one['decides'] else '  '} {one['by']:{width}}  {_MARKS[Fate(one['fate'])]:{marks}}  {one['text']}"
        for one in steps
    ]
    return "\n".join(lines)
