"""Which endpoint holds which port, and which endpoints are in the way of a port that cannot be held."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from netlink.port_sockets import PortSocket
from netlink.values import dataclass
from plugin.protocol.messages import Address
from plugin.publish.bindings import EVERYWHERE

Key = tuple[int, Address, int]  # protocol, host address, host port
Holds = dict[Key, PortSocket]


@dataclass(frozen=True, slots=True)
class WantedSocket:
    """A port that is wanted on one address, or on all addresses of both families (``dual``)."""

    proto: int
    host: Address
    port: int
    dual: bool = False

    @property
    def addresses(self) -> Sequence[Address]:
        """The one address, or the unspecified ones of both families."""
        return EVERYWHERE if self.dual else (self.host,)


@dataclass(frozen=True, slots=True)
class Collision:
    """Two want the same port: ``on`` is the wanted address that is taken, ``held`` the address of the holder."""

    on: Address
    held: Address


class Book:
    """May be read and written from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the two below
        self._holds: dict[str, Holds] = {}  # by endpoint id
        self._owners: dict[tuple[int, int], tuple[str, ...]] = {}  # endpoints that hold a port, by protocol and number

    def knows(self, endpoint_id: str) -> bool:
        """Return whether the endpoint has published ports."""
        with self._lock:
            return endpoint_id in self._holds

    def of(self, endpoint_id: str) -> Holds:
        """Return the ports that the endpoint holds."""
        with self._lock:
            return self._holds.get(endpoint_id, {})

    def write(self, endpoint_id: str, holds: Holds, *, keep: bool) -> None:
        """Replace the ports of the endpoint by ``holds``; without ``keep`` it publishes nothing."""
        with self._lock:
            before = self._holds.pop(endpoint_id, {})
            if keep:
                self._holds[endpoint_id] = holds
            for port in _ports(before):
                self._disown(port, endpoint_id)
            for port in _ports(holds) if keep else ():
                self._owners[port] = (*self._owners.get(port, ()), endpoint_id)

    def __contains__(self, key: object) -> bool:
        """Return whether a port is held now, on that address."""
        proto, _, port = cast("Key", key)
        with self._lock:
            return any(key in self._holds[owner] for owner in self._owners.get((proto, port), ()))

    def clear(self) -> Sequence[Holds]:
        """Forget everything, and return the ports that were held."""
        with self._lock:
            held, self._holds, self._owners = self._holds, {}, {}
        return list(held.values())

    def in_the_way(self, wanted: WantedSocket) -> dict[str, list[Collision]]:
        """Return the endpoints that hold ``wanted`` or a part of it."""
        with self._lock:
            owners = self._owners.get((wanted.proto, wanted.port), ())
            found = {owner: list(_of_holds(wanted, self._holds[owner])) for owner in owners}
        return {owner: collisions for owner, collisions in found.items() if collisions}

    def _disown(self, port: tuple[int, int], endpoint_id: str) -> None:
        others = tuple(owner for owner in self._owners[port] if owner != endpoint_id)
        if others:
            self._owners[port] = others
        else:
            del self._owners[port]


def _ports(holds: Holds) -> set[tuple[int, int]]:
    """Return protocol and number of ports that may be held on several addresses."""
    return {(proto, port) for proto, _, port in holds}


def collisions(wanted: WantedSocket, theirs: Iterable[Address]) -> Iterator[Collision]:
    """Yield the collisions of ``wanted`` with addresses on which others hold its protocol and port."""
    for held in theirs:
        for own in wanted.addresses:
            if own.version == held.version and (own == held or own.is_unspecified or held.is_unspecified):
                yield Collision(held if own.is_unspecified else own, held)


def _of_holds(wanted: WantedSocket, holds: Holds) -> Iterator[Collision]:
    for (proto, host, port), hold in holds.items():
        if (proto, port) == (wanted.proto, wanted.port):
            yield from collisions(wanted, WantedSocket(proto, host, port, dual=hold.dual).addresses)
