"""Adds the names of networks and containers to log lines, which have their ids."""

import threading
from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

import structlog

LATER = {"network created": "network_name", "endpoint created": "container"}  # the name that the engine tells later
ASKED = 2  # questions to the engine after which a line is written without a name: it lists no container that starts
_TEXTS = ("error", "what", "reason")
Line = MutableMapping[str, Any]


class Names(Protocol):
    """Knows the names of networks and containers (``plugin.engine.names.Names``)."""

    answers: bool

    def of_line(self, network: str, endpoint: str) -> dict[str, str]:
        """Return the names for ids, or their beginnings, as facts of a line; nothing for unknown ones."""

    def in_words(self, text: str) -> str:
        """Return a text with names in the place of quoted ids."""

    def expect(self) -> None:
        """Note that there may be new names."""

    def listen(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` whenever the engine was asked."""


class Naming:
    """A processor of structlog. A line about something new waits for its name, as long as the engine answers."""

    def __init__(self) -> None:
        self._names: Names | None = None
        self._waiting: list[Line] = []
        self._lock = threading.Lock()

    def use(self, names: Names) -> None:
        """Take the names from ``names``."""
        self._names = names

    def __call__(self, _logger: object, _method: str, event: Line) -> Line:
        """Add names; raises ``DropEvent`` for a line that waits."""
        names = self._names
        if names is None:
            return event
        found = names.of_line(str(event.get("network", "")), str(event.get("endpoint", "")))
        waited, missing = event.pop("waited", 0), LATER.get(str(event.get("event")), "") not in {"", *found}
        if missing and names.answers and waited < ASKED:
            with self._lock:
                self._waiting.append({**event, "waited": waited + 1})
            names.expect()
            raise structlog.DropEvent
        event.update(found)
        event.update({key: names.in_words(event[key]) for key in _TEXTS if isinstance(event.get(key), str)})
        return event

    def write_waiting(self) -> None:
        """Write the lines that waited; those without a name wait once more."""
        with self._lock:
            lines, self._waiting = self._waiting, []
        log = structlog.get_logger()
        for line in lines:
            getattr(log, line.pop("level"))(line.pop("event"), **line)
