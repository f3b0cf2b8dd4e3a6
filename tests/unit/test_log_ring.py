"""The lines of the log that pynet keeps in memory, and the command that prints them."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cli.client.serving import NotServing
from cli.commands.logs import Wanted, as_text, following, lines, moment_of
from cli.server.log_ring import LONGEST, LogRing
from plugin.errors import InvalidRequest


def record(event: object, level: int = logging.INFO, **kwargs: Any) -> logging.LogRecord:
    """A record, as structlog makes it from a dict and other libraries from a text."""
    return logging.LogRecord("pynet", level, "x.py", 1, event, kwargs.get("args"), kwargs.get("exc_info"))


def test_the_newest_lines_stay_within_both_limits() -> None:
    """The oldest lines give way to new ones, by their number and by their bytes."""
    few, small = LogRing(records=3), LogRing(size=400)
    for number in range(20):
        few.handle(record({"event": f"line {number}"}))
        small.handle(record({"event": f"line {number}"}))

    assert [each["Event"] for each in few.since("").records] == ["line 17", "line 18", "line 19"]
    assert 1 < len(small.since("").records) < 10
    assert small.since("").records[-1]["Event"] == "line 19"


def test_a_cursor_asks_for_what_is_new() -> None:
    """Nothing comes twice, and the cursor of another process, or of nobody, asks for everything."""
    ring = LogRing()
    ring.handle(record({"event": "one"}))
    cursor = ring.since("").cursor
    ring.handle(record({"event": "two"}))

    assert [each["Event"] for each in ring.since(cursor).records] == ["two"]
    assert ring.since(ring.since(cursor).cursor).records == []
    for other in ("", "1-2:1", "nonsense", f"{cursor}x"):
        assert len(ring.since(other).records) == 2


def test_lines_of_all_libraries_have_one_form() -> None:
    """Facts of structlog are kept as facts; a text of another library is an event, its traceback a fact."""
    ring = LogRing()
    ring.handle(record({"event": "served", "level": "info", "timestamp": "x", "ms": 3.2, "_record": 1}))
    ring.handle(record("worker %s ended", logging.ERROR, args=(7,), exc_info=(ValueError, ValueError("v"), None)))
    ring.handle(record({"event": "x" * 2 * LONGEST}))
    first, second, long = ring.since("").records

    assert (first["Event"], first["Level"], first["Facts"]) == ("served", "info", {"ms": 3.2})
    assert (second["Event"], second["Facts"]) == ("worker 7 ended", {"exception": "ValueError: v"})
    assert len(long["Event"]) < LONGEST


def test_lines_are_chosen_by_level_time_and_number() -> None:
    """The limit on the number is for the lines that are chosen by the others."""
    found = [{"Level": level, "Time": float(at), "Event": str(at)} for at, level in enumerate(("info", "error") * 3)]

    def chosen(**wish: Any) -> str:
        return "".join(each["Event"] for each in lines(lambda _: {"Records": found}, Wanted(**wish)))

    assert (chosen(), chosen(level="warning"), chosen(since=4.0)) == ("012345", "135", "45")
    assert (chosen(last=0), chosen(last=2, level="error"), chosen(last=99)) == ("", "35", "012345")


def test_following_goes_on_after_a_restart() -> None:
    """While nobody serves it waits; the next pynet does not know the cursor and tells everything."""

    def line(event: str) -> Mapping[str, Any]:
        return {"Level": "info", "Time": 1.0, "Event": event}

    replies: Iterator[Any] = iter(
        [
            {"Cursor": "a:1", "Records": [line("old"), line("one")]},
            NotServing("no pynet serves"),
            {"Cursor": "b:1", "Records": [line("two")]},
        ]
    )

    def read(cursor: str) -> Mapping[str, Any]:
        asked.append(cursor)
        reply = next(replies)
        if isinstance(reply, Exception):
            raise reply
        return dict(reply)

    asked: list[str] = []
    found = following(read, Wanted(last=1), lambda: None)
    assert [next(found)["Event"] for _ in range(2)] == ["one", "two"]
    assert asked == ["", "a:1", "a:1"]


def test_a_line_is_readable() -> None:
    """Ids come first, words with spaces are quoted, a traceback follows on lines of its own."""
    facts = {"ms": 3.2, "error": "no space left", "network": "d2a5dd8bf041", "exception": "KeyError: 1"}
    text = as_text({"Time": 0.0, "Level": "error", "Event": "refused", "Facts": facts})

    assert text.splitlines()[0].endswith("refused network=d2a5dd8bf041 ms=3.2 error='no space left'")
    assert text.splitlines()[1:] == ["KeyError: 1"]


def test_a_time_is_an_age_or_a_date() -> None:
    """Anything else is refused with an example of each."""
    assert (moment_of("10m", 1000.0), moment_of("1970-01-01T00:01:00+00:00", 0.0)) == (400.0, 60.0)
    with pytest.raises(InvalidRequest, match="'soon' is neither an age such as 10m nor a time such as 1970-01-01T00"):
        moment_of("soon", 0.0)
