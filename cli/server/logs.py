"""Log lines of pynet and of its libraries in one form.

On a terminal they are text, for the journal fields with a priority, and elsewhere one JSON object a line. dockerd
copies the output of a managed plugin into its own log and adds the time; it logs standard output as information and
standard error as errors. So the form for it has no time, and uses both.
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from cli.server.journal import SOCKET, JournalHandler, datagram, is_read_by_journal, priority
from cli.server.naming import Names, Naming

CHATTY = ("asyncio", "kazoo", "pyroute2")  # libraries that tell their own developers a lot at levels info and debug
_ORDER = ("timestamp", "level", "event", "verb", "network_name", "container", "network", "endpoint", "pool", "error")
_NOT_FACTS = {"event", "exception", "level", "timestamp"}
_TIME = structlog.processors.TimeStamper(fmt="iso", utc=True)


def configure(level: str, form: str, journal: Path = SOCKET) -> None:
    """Send every logger to standard error in ``form`` (auto, text, json, journal or engine) from ``level`` up.

    In the form ``engine``, lines below a warning go to standard output; ``journal`` is the socket of that form.
    """
    chosen = _form(form)
    shared: list[Any] = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, _stamp]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            Naming(),
            structlog.processors.format_exc_info,
            in_order,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(chosen)],
        foreign_pre_chain=[*shared, structlog.processors.format_exc_info, in_order],
    )
    handlers = _handlers(chosen, journal)
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def use_names(names: Names) -> None:
    """Add names to all later lines, as far as ``names`` knows them."""
    for each in structlog.get_config()["processors"]:
        if isinstance(each, Naming):
            each.use(names)
            names.listen(each.write_waiting)


def to_standard_error() -> None:
    """Keep lines of the log out of the standard output of a command that is no server."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def in_order(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the keys that many lines have first, always in one order, so that people can read columns."""
    return {key: event[key] for key in _ORDER if key in event} | dict(event)


def _stamp(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the time, but to a line that waited for a name and has it already."""
    return event if "timestamp" in event else _TIME(logger, method, event)


def _form(form: str) -> str:
    if form != "auto":
        return form
    if sys.stderr.isatty():
        return "text"
    return "journal" if is_read_by_journal(os.environ) else "json"


def _handlers(form: str, journal: Path) -> list[logging.Handler]:
    if form == "journal":
        return [JournalHandler(journal)]
    errors = logging.StreamHandler(sys.stderr)
    if form != "engine":
        return [errors]
    errors.setLevel(logging.WARNING)
    others = logging.StreamHandler(sys.stdout)
    others.addFilter(lambda record: record.levelno < logging.WARNING)
    return [errors, others]


def _renderer(form: str) -> Any:
    if form == "journal":
        return _for_the_journal
    if form == "engine":
        return _for_the_engine
    if form == "text":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"))
    return structlog.processors.JSONRenderer()


def _for_the_engine(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Return "served verb=NetworkDriver.Join network=d2a5dd8bf041 ms=3.2"; a traceback follows on lines of its own."""
    facts = {key: value for key, value in in_order(None, "", event).items() if key not in _NOT_FACTS}
    words = [f"{key}={value!r}" if " " in str(value) else f"{key}={value}" for key, value in facts.items()]
    return "\n".join([" ".join([str(event["event"]), *words]), *filter(None, [event.get("exception")])])


def _for_the_journal(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Return the datagram for ``JournalHandler``: the line of the engine as message, and every fact as a field."""
    level = logging.getLevelNamesMapping()[str(event["level"]).upper()]
    facts = {key: value for key, value in event.items() if key not in _NOT_FACTS} | {"event": event["event"]}
    return datagram(_for_the_engine(None, "", event), priority(level), facts).decode("latin-1")
