"""The sockets of the links on which clients of DHCP wait: one a link, whatever the number of clients."""

import selectors
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import NamedTuple, Protocol

from netlink.arp_probe import Claim
from netlink.dhcp_link import Ends, Heard
from netlink.errors import KernelError


class MessageSocket(Protocol):
    """Messages of DHCP on a link, see ``netlink.dhcp_link.DhcpLink``."""

    def fileno(self) -> int:
        """Return the descriptor that is ready when a message waits."""

    def send(self, ends: Ends, data: bytes) -> None:
        """Send a message; raises ``KernelError``."""

    def receive(self) -> list[Heard]:
        """Return messages that wait; raises ``KernelError``."""

    def close(self) -> None:
        """Stop."""


class ProbeSocket(Protocol):
    """Claims of addresses on a link, see ``netlink.arp_probe.ArpLink``."""

    def fileno(self) -> int:
        """Return the descriptor that is ready when a claim waits."""

    def ask(self, address: IPv4Address) -> None:
        """Send a probe; raises ``KernelError``."""

    def receive(self) -> list[Claim]:
        """Return claims that wait; raises ``KernelError``."""

    def close(self) -> None:
        """Stop."""


class OpenMessages(Protocol):
    """Opens the messages of a link, with ``outgoing`` those that the host sends; raises ``KernelError``."""

    def __call__(self, link: str, *, outgoing: bool = False) -> MessageSocket:
        """Open the socket."""


OpenProbes = Callable[[str], ProbeSocket]


class Place(NamedTuple):
    """A socket of a link: for messages to clients, for those on their way to one container, or for probes."""

    link: str
    use: str = "messages"  # or "outgoing", "probes"


class LinkSockets:
    """Opens a socket with its first user, and closes it with its last one; one that failed is opened again."""

    def __init__(self, open_messages: OpenMessages, open_probes: OpenProbes) -> None:
        self._open_messages, self._open_probes = open_messages, open_probes
        self._users: Counter[Place] = Counter()
        self._messages: dict[Place, MessageSocket] = {}
        self._probes: dict[Place, ProbeSocket] = {}
        self._selector = selectors.DefaultSelector()

    def change(self, before: frozenset[Place], now: frozenset[Place]) -> frozenset[Place]:
        """Let a user of the places ``before`` use those of ``now``, and return them."""
        self._users.update(now)
        for place in before:
            self._users[place] -= 1
            if not self._users[place]:
                del self._users[place]
                self.close(place)
        return now

    def send(self, link: str, ends: Ends, data: bytes) -> None:
        """Send a message, also on a link without users; raises ``KernelError``."""
        used = self.change(frozenset(), frozenset({Place(link)}))
        try:
            self.messages(Place(link)).send(ends, data)
        finally:
            self.change(used, frozenset())

    def messages(self, place: Place) -> MessageSocket:
        """Return the socket of a place; raises ``KernelError``."""
        if place not in self._messages:
            self._messages[place] = self._open_messages(place.link, outgoing=place.use == "outgoing")
            self._selector.register(self._messages[place], selectors.EVENT_READ, place)
        return self._messages[place]

    def probes(self, place: Place) -> ProbeSocket:
        """Return the socket of a place; raises ``KernelError``."""
        if place not in self._probes:
            self._probes[place] = self._open_probes(place.link)
            self._selector.register(self._probes[place], selectors.EVENT_READ, place)
        return self._probes[place]

    def open(self, place: Place) -> None:
        """Open the socket of a place, if it is not open; raises ``KernelError``."""
        if place.use == "probes":
            self.probes(place)
        else:
            self.messages(place)

    def heard(self, place: Place) -> list[Heard]:
        """Return messages that wait; a socket that fails is closed, until it is needed again."""
        try:
            return self._messages[place].receive() if place in self._messages else []
        except KernelError:
            self.close(place)
            return []

    def claims(self, place: Place) -> list[Claim]:
        """Return claims that wait; a socket that fails is closed, until it is needed again."""
        try:
            return self._probes[place].receive() if place in self._probes else []
        except KernelError:
            self.close(place)
            return []

    def wait(self, wake: int, seconds: float | None) -> list[Place]:
        """Return the places where something waits, after at most ``seconds``; the descriptor ``wake`` ends the wait."""
        if wake not in self._selector.get_map():
            self._selector.register(wake, selectors.EVENT_READ, None)
        return [key.data for key, _ in self._selector.select(seconds) if key.data is not None]

    def close(self, place: Place) -> None:
        """Close the socket of a place."""
        sock = self._messages.pop(place, None) or self._probes.pop(place, None)
        if sock is not None:
            self._selector.unregister(sock)
            sock.close()

    def close_all(self) -> None:
        """Close everything."""
        for place in [*self._messages, *self._probes]:
            self.close(place)
        self._selector.close()
