"""Lists for people and scripts with the flags of Docker's lists: ``--format``, ``--quiet``, ``--no-trunc``, ``--json``.

Of Go's templates these forms are understood: ``{{.Field}}``, ``{{json .Field}}``, ``{{json .}}``, and ``table`` before
a template, which is what Docker's documents show for lists (docs.docker.com, Format command and log output).
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.exit_codes import BadUsage
from cli.tables import as_json, as_table

SHORT = 12  # characters of an id, as in Docker's lists
Row = Mapping[str, Any]
_PART = re.compile(r"{{\s*(json\s+)?\.(\w*)\s*}}")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its head, its name in a template, and its text in a row.

    ``short`` shortens the text unless the user wants it whole. A column that is not ``shown`` is for templates alone.
    """

    head: str
    field: str
    text: Callable[[Row], str]
    short: Callable[[str], str] = str
    shown: bool = True


@dataclass(frozen=True, slots=True)
class ListFlags:
    """The wishes of a user about a list."""

    form: str = ""
    quiet: bool = False
    whole: bool = False
    machine: bool = False


def listed(rows: Sequence[Row], columns: Sequence[Column], flags: ListFlags) -> str:
    """Return ``rows`` as the user wants them; the first column identifies a row.

    Raises:
        BadUsage: the template names a field that there is not, or cannot be read.
    """
    if flags.machine:
        return as_json(rows)
    texts = [_texts(row, columns, flags) for row in rows]
    if flags.quiet:
        return "\n".join(each[columns[0].field] for each in texts)
    if not flags.form:
        shown = [column for column in columns if column.shown]
        return as_table([[one.head for one in shown], *([each[one.field] for one in shown] for each in texts)])
    if flags.form == "json":
        return "\n".join(json.dumps(each) for each in texts)
    return _by_template(texts, {column.field: column.head for column in columns}, flags.form)


def _texts(row: Row, columns: Sequence[Column], flags: ListFlags) -> dict[str, str]:
    shown = ((column, column.text(row)) for column in columns)
    return {column.field: text if flags.whole else column.short(text) for column, text in shown}


def _by_template(texts: Sequence[Mapping[str, str]], heads: Mapping[str, str], form: str) -> str:
    tabular, template = form.startswith("table "), form.removeprefix("table ").replace("\\t", "\t").replace("\\n", "\n")
    if "{{" in _PART.sub("", template):
        raise BadUsage(f"--format: '{form}' has more than {{{{.Field}}}} and {{{{json .}}}}, which is not understood")
    head, lines = _filled(template, heads), [_filled(template, each) for each in texts]
    return as_table([line.split("\t") for line in [head, *lines]]) if tabular else "\n".join(lines)


def _filled(template: str, values: Mapping[str, str]) -> str:
    def part(found: re.Match[str]) -> str:
        as_value, field = found[1], found[2]
        if as_value and not field:
            return json.dumps(values)
        if field not in values:
            raise BadUsage(f"--format: there is no field '.{field}'; there are: .{', .'.join(values)}")
        return json.dumps(values[field]) if as_value else values[field]

    return _PART.sub(part, template)


def short_id(text: str) -> str:
    """Return the beginning of an id."""
    return text[:SHORT]


def ellipsis(length: int) -> Callable[[str], str]:
    """Return a function that shortens a text to ``length`` characters, as Docker does."""
    return lambda text: text if len(text) <= length else text[: length - 1] + "…"
