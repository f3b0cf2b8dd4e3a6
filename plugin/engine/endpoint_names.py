"""The names by which containers of a network find each other: container name, aliases, and services of Compose.

The engine tells them in the background, by its stream of events: one connection that stays open and costs nothing
while nothing happens. A container is asked for when it has started, is connected to another network, or is renamed.
While the engine is away the known names stay; then everything is read anew.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from functools import partial
from typing import Protocol

import structlog

from netlink.values import dataclass
from plugin.background.loop import Loop, alive
from plugin.model.holders import Holders
from plugin.protocol.messages import Address

log = structlog.get_logger()

PAUSES = (0.1, 5.0)  # seconds between two attempts to reach the engine: the first time, and at most
ATTEMPTS = 3  # questions about a container that the engine does not answer, as long as it starts


@dataclass(frozen=True, slots=True)
class EndpointName:
    """An endpoint with the ``names`` that the engine gives it, in lower case; the container's own name is first.

    ``addresses`` are those that the engine shows for it.
    """

    container: str
    network_id: str
    endpoint: str
    names: tuple[str, ...]
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """A change that the engine reports: of a container, of a network, or of both.

    ``container`` and ``network`` are ids, or "" if there is none; ``title`` is the name of the network.
    """

    action: str
    container: str = ""
    network: str = ""
    title: str = ""


class EngineSilent(Exception):
    """The engine does not answer."""


class NamingEngine(Protocol):
    """The engine, asked by one thread. All methods may raise ``EngineSilent``."""

    def follow(self) -> Iterator[EngineEvent]:
        """Return the changes from now on; the iterator ends when the engine closes the connection."""

    def networks(self) -> Mapping[str, str]:
        """Return the names of all networks, by id."""

    def running(self) -> Mapping[str, Sequence[str]]:
        """Return the ids of the networks of each container that runs, by its id."""

    def joined(self, container: str) -> Sequence[str]:
        """Return the ids of the networks of a container that runs; () for one that does not, or is about to."""

    def container(self, container: str) -> Sequence[EndpointName]:
        """Return the endpoints of a container, () if there is no such container."""

    def close(self) -> None:
        """Close all connections; may be called by another thread, and ends the iterator of ``follow``."""


class NoEngine:
    """Stands in for an engine that is never asked."""

    def follow(self) -> Iterator[EngineEvent]:
        """Have no changes."""
        raise EngineSilent

    def networks(self) -> Mapping[str, str]:
        """Know no network."""
        return {}

    def running(self) -> Mapping[str, Sequence[str]]:
        """Know no container."""
        return {}

    def joined(self, container: str) -> Sequence[str]:
        """Know no container."""
        del container
        return ()

    def container(self, container: str) -> Sequence[EndpointName]:
        """Know no container."""
        del container
        return ()

    def close(self) -> None:
        """Have no connections."""


@dataclass(frozen=True, slots=True)
class _Begin:
    """The task to connect to the engine."""


@dataclass(slots=True)
class _Index:
    """Endpoints by id, by container, and by network and name or address."""

    by_id: dict[str, EndpointName] = field(default_factory=dict)
    by_container: dict[str, dict[str, EndpointName]] = field(default_factory=dict)
    holders: Holders[tuple[str, str | Address]] = field(default_factory=Holders)

    def put(self, told: EndpointName) -> None:
        """Add an endpoint in the place of the one with its id."""
        self.drop(told.endpoint)
        self.by_id[told.endpoint] = told
        self.by_container.setdefault(told.container, {})[told.endpoint] = told
        self.holders.add(told.endpoint, _held(told))

    def drop(self, endpoint: str) -> None:
        """Remove an endpoint, if it is known."""
        told = self.by_id.pop(endpoint, None)
        if told is None:
            return
        own = self.by_container[told.container]
        del own[endpoint]
        if not own:
            del self.by_container[told.container]
        self.holders.remove(endpoint, _held(told))


def _held(told: EndpointName) -> Iterator[tuple[str, str | Address]]:
    return ((told.network_id, owned) for owned in (*told.names, *told.addresses))


class EndpointNames:
    """Keeps the names of the networks for which ``ours`` is true; questions about them are answered at once."""

    def __init__(self, engine: NamingEngine | None = None, ours: Callable[[str], bool] = lambda _: True) -> None:
        self._engine = engine or NoEngine()
        self._ours = ours
        self._guard = threading.Lock()  # guards _index
        self._index = _Index()
        self._networks: Mapping[str, str] = {}
        self._events: Iterator[EngineEvent] | None = None
        self._starting: set[str] = set()  # containers that have joined one of our networks, and do not run yet
        self._listeners: list[Callable[[str, str], object]] = []
        self._stopped = False
        self._pause = 0.0  # seconds before the next attempt to connect
        self.answers = False

    def start(self) -> Loop[EngineEvent | _Begin]:
        """Start the thread that hears of changes, and return it; it ends with the process."""
        loop = Loop[EngineEvent | _Begin]("engine events", self._due, self._turn)
        return loop.start()

    def stop(self) -> None:
        """End the thread; the known names stay."""
        self._stopped = True
        self._engine.close()

    def listen(self, changed: Callable[[str, str], object]) -> None:
        """Call ``changed`` with the ids of network and endpoint after each change."""
        self._listeners.append(changed)

    def of(self, endpoint: str) -> EndpointName | None:
        """Return what the engine told about an endpoint."""
        return self._index.by_id.get(endpoint)

    def having(self, network_id: str, owned: str | Address) -> Sequence[str]:
        """Return the ids of the endpoints of a network that have a name in lower case, or an address."""
        return self._index.holders.of((network_id, owned))

    @property
    def networks(self) -> Mapping[str, str]:
        """The names of networks by id; another object after each change."""
        return self._networks

    def all(self) -> Sequence[EndpointName]:
        """Return everything that is known."""
        with self._guard:
            return list(self._index.by_id.values())

    def load(self) -> None:
        """Read everything anew; raises ``EngineSilent``, and then the known names stay."""
        self._networks = self._engine.networks()
        told: list[EndpointName] = []
        for container, networks in self._engine.running().items():
            if any(map(self._ours, networks)):
                alive()
                told += self._ask(container)
        new = _Index()
        for each in told:
            new.put(each)
        with self._guard:
            before, self._index = self._index, new
        changed = {*before.by_id.values()} ^ {*new.by_id.values()}
        self._tell((each.network_id, each.endpoint) for each in changed)

    def heard(self, event: EngineEvent) -> None:
        """Take a change that the engine reports; raises ``EngineSilent``."""
        container = event.container
        if not container:
            self._networks = _with(self._networks, event)
        elif event.action == "disconnect":
            self._change(container, [e for e in self._of(container).values() if e.network_id != event.network])
        elif event.action == "connect" and self._ours(event.network):
            self._starting.add(container)
            if self._engine.joined(container):
                self._read(container)
        elif self._is_news(event):
            self._read(container)
        elif event.action == "die":
            self._starting.discard(container)

    def _is_news(self, event: EngineEvent) -> bool:
        """Return whether a start or a rename concerns a container on one of our networks."""
        container = event.container
        if event.action == "start":
            return container in self._starting or self._is_ours(container)
        return event.action == "rename" and bool(self._of(container))

    def _is_ours(self, container: str) -> bool:
        """Return whether a container is on one of our networks, whose Join came before we heard of anything."""
        return any(map(self._ours, self._engine.joined(container)))

    def _of(self, container: str) -> Mapping[str, EndpointName]:
        return self._index.by_container.get(container, {})

    def _read(self, container: str) -> None:
        self._starting.discard(container)
        self._change(container, self._ask(container))

    def _ask(self, container: str) -> Sequence[EndpointName]:
        told = _patiently(partial(self._engine.container, container))
        return [each for each in told if self._ours(each.network_id)]

    def _change(self, container: str, told: Iterable[EndpointName]) -> None:
        """Replace the endpoints of a container."""
        new = {each.endpoint: each for each in told}
        with self._guard:
            old = dict(self._of(container))
            for endpoint, each in old.items():
                if each != new.get(endpoint):
                    self._index.drop(endpoint)
            for endpoint, each in new.items():
                if each != old.get(endpoint):
                    self._index.put(each)
        changed = {*old.values()} ^ {*new.values()}
        self._tell((each.network_id, each.endpoint) for each in changed)

    def _tell(self, changed: Iterable[tuple[str, str]]) -> None:
        for network_id, endpoint in dict.fromkeys(changed):
            for listener in self._listeners:
                listener(network_id, endpoint)

    def _due(self) -> EngineEvent | _Begin | None:
        """Wait for the next change; when the engine has closed the connection, connect again after a pause."""
        if self._events is None and self._pause:
            time.sleep(self._pause)
        if self._stopped:
            return None
        if self._events is None:
            return _Begin()
        with suppress(EngineSilent):
            if event := next(self._events, None):
                return event
        self._lose()
        return self._due()

    def _turn(self, task: EngineEvent | _Begin) -> None:
        try:
            if isinstance(task, EngineEvent):
                self.heard(task)
            else:
                events = self._engine.follow()  # before the listing, so that nothing is missed in between
                self.load()
                self._events, self.answers, self._pause = events, True, 0.0
        except EngineSilent:
            self._lose()

    def _lose(self) -> None:
        """Give the connection up: it is made again, and everything is read anew."""
        self._events, self.answers = None, False
        self._engine.close()
        first, most = PAUSES
        self._pause = min(most, 2 * self._pause or first)


def _with(networks: Mapping[str, str], event: EngineEvent) -> Mapping[str, str]:
    """Return the names of networks after one was made or removed."""
    others = {identity: name for identity, name in networks.items() if identity != event.network}
    return {**others, event.network: event.title} if event.action == "create" else others


def _patiently(ask: Callable[[], Sequence[EndpointName]]) -> Sequence[EndpointName]:
    for _ in range(ATTEMPTS - 1):
        with suppress(EngineSilent):
            return ask()
    return ask()
