"""The names that users gave to networks and containers, for error texts.

The engine knows the names, and pynet asks it in the background only: while the engine waits for an answer of pynet, it
may hold locks that its own API waits for. pynet asks a moment after networks or ports have come, so texts show an id
instead of a new name for about a second.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from plugin.background.loop import Loop

MOMENT = 1.0  # seconds before the engine is asked for a new name: more may come, and the engine must have finished
PERIOD = 10.0  # seconds between two questions


@dataclass(frozen=True, slots=True)
class Known:
    """Names of networks by id, and of containers by endpoint id."""

    networks: Mapping[str, str] = field(default_factory=dict)
    containers: Mapping[str, str] = field(default_factory=dict)


class Names:
    """All methods but ``look`` answer at once. ``ask`` asks the engine, and returns None without an answer."""

    def __init__(self, ask: Callable[[], Known | None] = Known) -> None:
        self._ask = ask
        self._known = Known()
        self._new = threading.Event()
        self._not_before = 0.0  # when the engine may be asked, by the monotonic clock

    def start(self) -> Loop[float]:
        """Start the thread that asks, and return it; it ends with the process."""
        self._new.set()
        return Loop("names", self._due, self._turn).start()

    def expect(self) -> None:
        """Note that there may be new names."""
        self._new.set()

    def network(self, identity: str) -> str:
        """Return the name of a network in quotes, or the first twelve digits of its id."""
        return f"'{self._named(self._known.networks, identity) or identity[:12]}'"

    def container(self, endpoint_id: str) -> str:
        """Return the owner of an endpoint for a text: "container 'web'", or "endpoint 'ID'" without a name."""
        name = self._named(self._known.containers, endpoint_id)
        return f"container '{name}'" if name else f"endpoint '{endpoint_id[:12]}'"

    def look(self) -> bool:
        """Ask the engine if there may be new names; return whether it was asked.

        Without an answer the known names stay, and the engine is asked again: while it removes a container, it may
        refuse to list the others (20.10).
        """
        if not self._new.is_set():
            return False
        self._new.clear()
        found = self._ask()
        if found is None:
            self._new.set()
        self._known = found or self._known
        return True

    def _named(self, names: Mapping[str, str], identity: str) -> str:
        """Return a name, "" without one; then the engine is asked soon, as it does not list a container that starts."""
        if identity not in names:
            self._new.set()
        return names.get(identity, "")

    def _due(self) -> float:
        self._new.wait()
        time.sleep(max(MOMENT, self._not_before - time.monotonic()))
        return time.monotonic()

    def _turn(self, now: float) -> None:
        self._not_before = now + PERIOD
        self.look()
