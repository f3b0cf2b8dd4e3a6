"""What users call networks and containers, as far as it is known without asking anybody now.

The engine knows, and is asked in the background alone: while it waits for an answer of pynet it may hold locks that its
own API waits for. It is asked a moment after networks or ports have come, so a name that is new is an id for a second.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from plugin.background.loop import Loop

MOMENT = 1.0  # seconds from what is new until the engine is asked: more may come, and the engine must have finished
PERIOD = 10.0  # seconds between two questions


@dataclass(frozen=True, slots=True)
class Known:
    """Names by id, of networks, and of containers by their endpoints."""

    networks: Mapping[str, str] = field(default_factory=dict)
    containers: Mapping[str, str] = field(default_factory=dict)


class Names:
    """Every verb but ``look`` answers at once; ``ask`` asks the engine, and returns None without an answer."""

    def __init__(self, ask: Callable[[], Known | None] = Known) -> None:
        self._ask = ask
        self._known = Known()
        self._new = threading.Event()
        self._not_before = 0.0  # when the engine may be asked, by the monotonic clock

    def start(self) -> Loop[float]:
        """Ask in a thread that ends with the process, and return it."""
        self._new.set()
        return Loop("names", self._due, self._turn).start()

    def expect(self) -> None:
        """Say that there may be new names."""
        self._new.set()

    def network(self, identity: str) -> str:
        """Return the name of a network in quotes; without one, twelve digits of its id."""
        return f"'{self._named(self._known.networks, identity) or identity[:12]}'"

    def container(self, endpoint_id: str) -> str:
        """Return what users call the owner of an endpoint: "container 'web'"; without a name, the endpoint."""
        name = self._named(self._known.containers, endpoint_id)
        return f"container '{name}'" if name else f"endpoint '{endpoint_id[:12]}'"

    def look(self) -> bool:
        """Ask the engine if there may be new names, and say whether; without an answer what was known stays.

        It is asked again then: one that removes a container at that moment may refuse to list the others (20.10).
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
        """Return a name; whoever misses one finds it the next time, as a container that starts is not listed yet."""
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
