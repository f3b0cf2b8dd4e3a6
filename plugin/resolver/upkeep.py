"""Runs the resolver while a network of this host wants it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import structlog

from plugin.background.loop import Loop
from plugin.errors import Failed
from plugin.model.records import Network
from plugin.model.resolver_place import PORT, RESOLVER
from plugin.protocol.messages import Address
from plugin.protocol.own_messages import ResolverReport
from plugin.resolver.addresses import ResolverAddresses
from plugin.resolver.counts import QuestionCounts
from plugin.store.base import Event, LocalStore

log = structlog.get_logger()


class Serving(Protocol):
    """A server of names (``plugin.resolver.server.Server``)."""

    @property
    def kept(self) -> int:
        """The number of answers in the cache."""

    def listen(self, places: Sequence[Address]) -> None:
        """Open the sockets; raises ``OSError``."""

    def run(self) -> None:
        """Serve until ``stop``."""

    def stop(self) -> None:
        """End ``run``, from any thread."""

    def close(self) -> None:
        """Close the sockets."""


class Resolver:
    """``expect`` tells of a network; threads run from the first network with ``pynet.dns`` until the last is gone.

    ``make`` returns a new server that counts on, ``servers`` those of the host. Before ``start``, and with ``wanted``
    off, nothing runs.
    """

    def __init__(
        self,
        store: LocalStore,
        addresses: ResolverAddresses,
        make: Callable[[QuestionCounts], Serving],
        servers: Callable[[], Sequence[str]] = tuple,
        *,
        wanted: bool = True,
    ) -> None:
        self._store = store
        self.addresses = addresses
        self._make = make
        self._servers = servers
        self._counts = QuestionCounts()
        self._wanted = wanted
        self._guard = threading.Lock()  # guards everything below
        self._started = False
        self._networks: set[str] = set()
        self._events: tuple[AbstractContextManager[Iterator[Event]], Iterator[Event]] | None = None
        self._following: Loop[Event] | None = None
        self._loop: Loop[bool] | None = None
        self._server: Serving | None = None
        self._places: Sequence[Address] = ()  # of the server
        self._failed = ""

    def start(self) -> "Resolver":
        """Begin to serve, now or with the first network that wants it."""
        with self._guard:
            self._started = self._wanted
            self._run()
        return self

    def expect(self, network: Network) -> None:
        """Serve the network from now on if it wants it; its record may be stored later."""
        if _wants(network):
            with self._guard:
                self._networks.add(network.id)
                self._run()

    @property
    def trouble(self) -> str:
        """Why names are not resolved, as a sentence, "" if they are or nobody wants it."""
        loop = self._loop
        return self._failed or (loop.trouble if loop else "")

    def report(self) -> ResolverReport:
        """Return what the resolver does."""
        with self._guard:
            networks, places, server = len(self._networks), self._places, self._server
        if not self._wanted:
            places, trouble = (), "PYNET_DNS is off" if networks else ""
        else:
            trouble = self.trouble
        counts, kept = self._counts.by_outcome(), server.kept if server else 0
        return ResolverReport(networks, places, PORT, trouble, self._servers(), counts, kept)

    def _run(self) -> None:
        """Start the threads if they are needed; the caller holds the guard."""
        if self._started and self._networks and self._loop is None:
            following = self._store.watch(Network)
            self._events = following, following.__enter__()
            self._following = Loop("networks with names", self._next, self._follow).start()
            self._loop = Loop("resolver", self._needed, lambda _: self._serve(), longest=float("inf")).start()

    def _next(self) -> Event | None:
        """Return the next change of a network; None if nobody wants the resolver any more."""
        with self._guard:
            events = self._events if self._networks else None
        if events is not None:
            return next(events[1], None)
        self._end()
        return None

    def _follow(self, event: Event) -> None:
        with self._guard:
            network = event.record
            if isinstance(network, Network) and _wants(network):
                self._networks.add(network.id)
            else:
                self._networks.discard(event.key)

    def _end(self) -> None:
        """Stop serving; a network that comes meanwhile starts it again."""
        with self._guard:
            events, server, loop, self._events = self._events, self._server, self._loop, None
        if server is not None:
            server.stop()
        if loop is not None:
            loop.join(10)
        with self._guard:
            self._loop = self._following = None
            self._failed = ""
            self._run()
        if events is not None:
            events[0].__exit__(None, None, None)

    def _needed(self) -> bool | None:
        with self._guard:
            return True if self._networks else None

    def _serve(self) -> None:
        """Serve until nobody wants it.

        Raises:
            Failed: an address or a socket cannot be had; the thread tries again.
        """
        try:
            given = self.addresses.give()
        except Failed as error:
            self._failed = f"{error}; names of containers are not resolved, and pynet tries again"
            raise
        server = self._make(self._counts)
        try:
            server.listen(given)
            with self._guard:
                needed, self._server, self._places, self._failed = bool(self._networks), server, given, ""
            if needed:
                log.info("resolver serves", addresses=", ".join(map(str, given)), port=PORT)
                server.run()
            self.addresses.take()
        except OSError as error:
            reason = f"listen for DNS at {RESOLVER[4]} port {PORT}: {error.strerror or error}"
            self._failed = f"{reason}; names of containers are not resolved, and pynet tries again"
            raise Failed(reason) from error
        finally:
            with self._guard:
                self._server, self._places = None, ()
            server.close()


def _wants(network: Network) -> bool:
    """Return whether a network has names; its other options may be unreadable after a step back to an older pynet."""
    return network.readable_settings.dns != "off"
