"""Keeps the last lines of the log in memory, for ``pynet logs``.

So the command prints one form wherever the log goes: to a terminal, the journal or the log of the engine. Members of
the group of the admin socket may not read the last two, and neither has the fields of a line. The lines before this
process are only there.
"""

import json
import logging
import os
import time
from collections import deque
from typing import Any

from plugin.protocol.own_messages import LogPart

RECORDS, BYTES = 1000, 256 << 10
LONGEST = 16 << 10  # bytes of a record
_OTHERS = {"event", "level", "timestamp"}


class LogRing(logging.Handler):
    """The newest ``records`` of the log, at most ``size`` bytes of JSON."""

    def __init__(self, records: int = RECORDS, size: int = BYTES) -> None:
        super().__init__()
        self._most, self._room = records, size
        self._lines: deque[str] = deque()
        self._bytes = 0
        self._seen = 0  # records so far
        self._run = f"{os.getpid()}-{time.time_ns():x}"  # a cursor of an earlier process means nothing here

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; the logger holds the lock of this handler."""
        try:
            line = _line(record)
        except (TypeError, ValueError):  # a value that is no JSON, or texts of one that do not fit together
            self.handleError(record)
            return
        self._lines.append(line)
        self._bytes += len(line)
        self._seen += 1
        while len(self._lines) > self._most or self._bytes > self._room:
            self._bytes -= len(self._lines.popleft())

    def since(self, cursor: str) -> LogPart:
        """Return the records after ``cursor``, which an earlier part had, or all."""
        run, _, number = cursor.rpartition(":")
        after = int(number) if run == self._run and number.isdigit() else 0
        self.acquire()
        try:
            lines, seen = list(self._lines), self._seen
        finally:
            self.release()
        new = min(len(lines), max(0, seen - after))
        return LogPart(f"{self._run}:{seen}", [json.loads(line) for line in lines[len(lines) - new :]])


def keep_log() -> LogRing:
    """Return the ring of the root logger, which gets one if it has none."""
    root = logging.getLogger()
    found = next((handler for handler in root.handlers if isinstance(handler, LogRing)), None)
    if found is None:
        found = LogRing()
        root.addHandler(found)
    return found


def _line(record: logging.LogRecord) -> str:
    """Return a record as JSON: of structlog, whose message is a dict, or of another library."""
    event: dict[str, Any] = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
    line: dict[str, Any] = {"Time": record.created, "Level": record.levelname.lower(), "Event": str(event["event"])}
    facts = {key: value for key, value in event.items() if key not in _OTHERS and not key.startswith("_")}
    if record.exc_info and "exception" not in facts:
        facts["exception"] = logging.Formatter().formatException(record.exc_info)
    text = json.dumps(line | {"Facts": facts}, default=str)
    if len(text) <= LONGEST:
        return text
    return json.dumps(line | {"Event": line["Event"][: LONGEST >> 1], "Facts": {"cut": "the line was too long"}})
