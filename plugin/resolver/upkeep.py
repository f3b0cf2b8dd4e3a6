"""Runs the resolver while a network of this host wants it, and gives the host the addresses where it listens."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from ipaddress import ip_interface
from typing import Any, Protocol

import structlog

from netlink.errors import Exists, KernelError, Missing
from plugin.background.loop import Loop
from plugin.errors import Failed
from plugin.interfaces import Addresses
from plugin.model.records import Network
from plugin.model.resolver_place import PORT, RESOLVER
from plugin.protocol.messages import Address, InterfaceAddress
from plugin.store.base import Event, LocalStore

log = structlog.get_logger()

_LINK = "lo"


class Serving(Protocol):
    """A server of names (``plugin.resolver.server.Server``)."""

    @property
    def counts(self) -> Mapping[str, int]:
        """The numbers of questions, by what became of them."""

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

    ``make`` returns a new server. Before ``start``, and with ``wanted`` off, nothing runs.
    """

    def __init__(
        self, store: LocalStore, kernel: Addresses, make: Callable[[], Serving], *, wanted: bool = True
    ) -> None:
        self._store = store
        self._kernel = kernel
        self._make = make
        self._wanted = wanted
        self._guard = threading.Lock()  # guards everything below
        self._started = False
        self._networks: set[str] = set()
        self._events: tuple[AbstractContextManager[Iterator[Event]], Iterator[Event]] | None = None
        self._following: Loop[Event] | None = None
        self._loop: Loop[bool] | None = None
        self._server: Serving | None = None
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

    @property
    def counts(self) -> Mapping[str, int]:
        """The numbers of questions since the server began, by what became of them."""
        server = self._server
        return server.counts if server else {}

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
        given = self._give_addresses()
        server = self._make()
        try:
            server.listen(given)
            with self._guard:
                needed, self._server, self._failed = bool(self._networks), server, ""
            if needed:
                log.info("resolver serves", addresses=", ".join(map(str, given)), port=PORT)
                server.run()
            self._take_addresses(given)
        except OSError as error:
            reason = f"listen for DNS at {RESOLVER[4]} port {PORT}: {error.strerror or error}"
            self._failed = f"{reason}; names of containers are not resolved, and pynet tries again"
            raise Failed(reason) from error
        finally:
            self._server = None
            server.close()

    def _give_addresses(self) -> list[Address]:
        """Give the host the addresses; a host without IPv6 takes only one."""
        given: list[Address] = []
        for version, address in RESOLVER.items():
            try:
                with suppress(Exists):
                    self._kernel.add_address(_LINK, _own(address))
            except KernelError as error:
                if version == 4:
                    self._failed = f"add address {address} to link '{_LINK}': {error}; names are not resolved"
                    raise
                log.debug("resolver without IPv6", error=str(error))
                continue
            given.append(address)
        return given

    def _take_addresses(self, given: list[Address]) -> None:
        for address in given:
            with suppress(Missing):
                self._kernel.delete_address(_LINK, _own(address))


def _wants(network: Network) -> bool:
    """Return whether a network has names; its other options may be unreadable after a step back to an older pynet."""
    return network.readable_settings.dns != "off"


def _own(address: Address) -> InterfaceAddress:
    found: Any = ip_interface(f"{address}/{address.max_prefixlen}")
    return found  # type: ignore[no-any-return]
