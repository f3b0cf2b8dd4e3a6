"""The names that users gave to networks and containers, for error texts.

The engine knows the names, and pynet asks it in the background only: while the engine waits for an answer of pynet, it
may hold locks that its own API waits for. pynet asks a moment after networks or ports have come, so texts show an id
instead of a new name for about a second.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import field

from netlink.values import dataclass
from plugin.background.loop import Loop

MOMENT = 1.0  # seconds before the engine is asked for a new name: more may come, and the engine must have finished
PERIOD = 10.0  # seconds between two questions
SHORT = 12  # digits of an id in texts
_ENDPOINT, _ID = re.compile(r"endpoint '([0-9a-f]{12})'"), re.compile(r"'([0-9a-f]{12})'")


@dataclass(frozen=True, slots=True)
class Known:
    """Names of networks by id, and of containers by endpoint id."""

    networks: Mapping[str, str] = field(default_factory=dict)
    containers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShortNames:
    """Names of networks and containers by the first ``SHORT`` digits of ids; ``version`` grows when they change."""

    version: int = 0
    networks: Mapping[str, str] = field(default_factory=dict)
    containers: Mapping[str, str] = field(default_factory=dict)


class Names:
    """All methods but ``look`` answer at once. ``ask`` asks the engine, and returns None without an answer.

    ``answers`` is whether the engine answered the last time.
    """

    def __init__(self, ask: Callable[[], Known | None] = Known) -> None:
        self._ask = ask
        self._known = Known()
        self._short = ShortNames()
        self._listener: Callable[[], object] = lambda: None
        self.answers = False
        self._new = threading.Event()
        self._not_before = 0.0  # when the engine may be asked, by the monotonic clock

    def start(self) -> Loop[float]:
        """Start the thread that asks, and return it; it ends with the process."""
        self._new.set()
        return Loop("names", self._due, self._turn).start()

    def expect(self) -> None:
        """Note that there may be new names."""
        self._new.set()

    @property
    def known(self) -> Known:
        """The names that the engine told last."""
        return self._known

    def network(self, identity: str) -> str:
        """Return the name of a network in quotes, or the first twelve digits of its id."""
        return f"'{self._named(self._known.networks, identity) or identity[:12]}'"

    def container(self, endpoint_id: str) -> str:
        """Return the owner of an endpoint for a text: "container 'web'", or "endpoint 'ID'" without a name."""
        name = self._named(self._known.containers, endpoint_id)
        return f"container '{name}'" if name else f"endpoint '{endpoint_id[:12]}'"

    def of_line(self, network: str, endpoint: str) -> dict[str, str]:
        """Return the names for ids, or their beginnings, as facts of a log line; nothing for unknown ones."""
        short = self._short
        found = {
            "network_name": short.networks.get(network[:SHORT], ""),
            "container": short.containers.get(endpoint[:SHORT], ""),
        }
        return {key: name for key, name in found.items() if name}

    def in_words(self, text: str) -> str:
        """Return a text with names in the place of the quoted beginnings of ids."""
        return _in_words(text, self._short.networks, self._short.containers)

    def shown(self) -> ShortNames:
        """Return all known names."""
        return self._short

    def listen(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` whenever the engine was asked."""
        self._listener = listener

    def stop(self) -> None:
        """Stop waiting for new names: the process ends."""
        self.answers = False
        self._listener()

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
        self.answers = found is not None
        if found is not None and found != self._known:
            self._known = found
            self._short = ShortNames(self._short.version + 1, _short(found.networks), _short(found.containers))
        self._listener()
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


def _named(found: re.Match[str], containers: Mapping[str, str]) -> str:
    return f"container '{containers[found[1]]}'" if found[1] in containers else found[0]


def with_names(text: str, known: Known) -> str:
    """Return a text with names in the place of the quoted beginnings of ids."""
    return _in_words(text, _short(known.networks), _short(known.containers))


def _in_words(text: str, networks: Mapping[str, str], containers: Mapping[str, str]) -> str:
    text = _ENDPOINT.sub(lambda found: _named(found, containers), text)
    return _ID.sub(lambda found: f"'{networks.get(found[1]) or found[1]}'", text)


def _short(names: Mapping[str, str]) -> dict[str, str]:
    return {identity[:SHORT]: name for identity, name in names.items()}
