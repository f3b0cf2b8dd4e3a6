"""``pynet logs``: the newest lines of the log, as the running pynet keeps them in memory."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from cli.client.serving import NoAnswer, NotServing
from plugin.errors import InvalidRequest

LEVELS = ("debug", "info", "warning", "error")
PAUSE = 1.0  # seconds between two questions for new lines
_COLOURS = {"debug": "cyan", "warning": "yellow", "error": "red", "critical": "red"}
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400}  # seconds
_AGE = re.compile(r"([0-9]+)([smhd])")
_FIRST = ("verb", "network", "endpoint", "pool")
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are wanted: of ``level`` or above, since a second of 1970, and of the older ones the ``last``."""

    level: str = "debug"
    since: float = 0.0
    last: int | None = None

    def of(self, records: list[Record]) -> list[Record]:
        """Return the wanted records."""
        found = [one for one in records if self._rank(one["Level"]) >= self._rank(self.level)]
        return [one for one in found if one["Time"] >= self.since]

    def oldest(self, records: list[Record]) -> list[Record]:
        """Return the wanted ones of the lines that are there at the beginning."""
        found = self.of(records)
        return found if self.last is None else found[max(0, len(found) - self.last) :]

    @staticmethod
    def _rank(level: str) -> int:
        return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def lines(read: Callable[[str], Mapping[str, Any]], wanted: Wanted) -> Iterator[Record]:
    """Yield the wanted lines that are there; ``read`` returns the reply to the verb Log, after a cursor."""
    yield from wanted.oldest(read("")["Records"])


def following(
    read: Callable[[str], Mapping[str, Any]], wanted: Wanted, pause: Callable[[], object]
) -> Iterator[Record]:
    """Yield the wanted lines that are there, and then for ever each new one, also of the next pynet after a restart."""
    part = read("")
    yield from wanted.oldest(part["Records"])
    while True:
        pause()
        with suppress(NotServing, NoAnswer):  # it restarts
            part = read(part["Cursor"])
            yield from wanted.of(part["Records"])


def as_text(record: Record) -> str:
    """Return a line for people: time, level, event and facts; a traceback follows on lines of its own."""
    facts = dict(record["Facts"])
    traceback = facts.pop("exception", "")
    ordered = {key: facts[key] for key in _FIRST if key in facts} | facts
    words = [f"{key}={value!r}" if " " in str(value) else f"{key}={value}" for key, value in ordered.items()]
    level = click.style(f"{record['Level']:7}", fg=_COLOURS.get(record["Level"]))
    moment = datetime.fromtimestamp(record["Time"]).astimezone().isoformat(timespec="milliseconds")
    return "\n".join([" ".join([moment, level, record["Event"], *words]), *filter(None, [traceback])])


def as_json_line(record: Record) -> str:
    """Return a line for scripts, an object without line breaks (``spec/cli/log-line.json``)."""
    return json.dumps({key.lower(): value for key, value in record.items()})


def moment_of(text: str, now: float) -> float:
    """Return the second of 1970 that ``text`` names: an age such as 10m, or a time such as 2026-11-28T18:00:00.

    Raises:
        InvalidRequest: it is neither.
    """
    if age := _AGE.fullmatch(text):
        return now - int(age[1]) * _AGES[age[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        example = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        raise InvalidRequest(f"--since: '{text}' is neither an age such as 10m nor a time such as {example}") from None
