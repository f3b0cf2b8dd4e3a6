"""Log lines of pynet and of gunicorn in one form: text on a terminal, one JSON object a line elsewhere.

dockerd copies the output of a managed plugin into its own log and adds the time. It logs standard output as information
and standard error as errors. So the form for it has no time, and uses both.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

_ORDER = ("timestamp", "level", "event", "verb", "network", "endpoint", "pool", "error")
_NOT_FACTS = {"event", "exception", "level", "timestamp"}
_FIRST = ("verb", "network", "endpoint", "pool")


def configure(level: str, form: str) -> None:
    """Send every logger to standard error in ``form`` (auto, text, json or engine) from ``level`` up.

    In the form ``engine``, lines below a warning go to standard output.
    """
    renderer = _renderer(form)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.processors.format_exc_info,
            in_order,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        foreign_pre_chain=_SHARED,
    )
    handlers = [logging.StreamHandler(sys.stderr)]
    if form == "engine":
        handlers[0].setLevel(logging.WARNING)
        handlers.append(logging.StreamHandler(sys.stdout))
        handlers[1].addFilter(lambda record: record.levelno < logging.WARNING)
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)


def to_standard_error() -> None:
    """Keep lines of the log out of the standard output of a command that is no server."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def in_order(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the keys that many lines have first, always in one order, so that people can read columns."""
    return {key: event[key] for key in _ORDER if key in event} | dict(event)


def _renderer(form: str) -> Any:
    if form == "engine":
        return _for_the_engine
    if form == "text" or (form == "auto" and sys.stderr.isatty()):
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer()


def _for_the_engine(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Return "served verb=NetworkDriver.Join network=d2a5dd8bf041 ms=3.2"; a traceback follows on lines of its own."""
    first = {key: event[key] for key in _FIRST if key in event}
    facts = {key: value for key, value in {**first, **event}.items() if key not in _NOT_FACTS}
    words = [f"{key}={value!r}" if " " in str(value) else f"{key}={value}" for key, value in facts.items()]
    return "\n".join([" ".join([str(event["event"]), *words]), *filter(None, [event.get("exception")])])
