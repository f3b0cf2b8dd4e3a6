"""A talk between a client of DHCP and servers, without sockets and without a clock."""

from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from netlink import dhcp4
from netlink.arp_probe import Claim
from netlink.dhcp4 import DhcpMessage
from plugin.dhcp import exchange
from plugin.dhcp.exchange import Action, Exchange, Got, Lost, Phase, Probe, Step
from plugin.dhcp.model import ClientIdentity, Lease4
from plugin.dhcp.requests import Send

MAC, SERVER, SERVER_MAC, ADDRESS, OTHER = (
    "02:42:00:00:00:01",
    "192.168.1.1",
    "02:00:00:00:00:ff",
    "192.168.1.50",
    "192.168.1.60",
)
IDENTITY = ClientIdentity(MAC, b"\0pynet:net:web", "web", "pynet")
NOW = 1_000_000.0
KINDS = {
    number: word
    for word, number in vars(dhcp4).items()
    if word in {"DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE"}
}
NUMBERS = {word: number for number, word in KINDS.items()}


def packed(address: str) -> bytes:
    """Return the bytes of an address."""
    return IPv4Address(address).packed


def four(number: int) -> bytes:
    """Return a number of four bytes."""
    return number.to_bytes(4, "big")


def answer(kind: str, given: str = ADDRESS, /, **changes: bytes) -> DhcpMessage:
    """Return the message of a server, with options by their names in ``dhcp4``; an empty one is left out."""
    options = {"MASK": packed("255.255.255.0"), "SERVER": packed(SERVER), "LASTS": four(1000), "ROUTER": packed(SERVER)}
    whole = {getattr(dhcp4, name): value for name, value in (options | changes).items() if value}
    return DhcpMessage(NUMBERS[kind], 0, MAC, given=IPv4Address(given), options=whole)


class Dialogue:
    """A client and its clock; ``said`` are its actions since the last look, in words."""

    def __init__(self, wish: str = "", known: Lease4 | None = None, state: Exchange | None = None) -> None:
        self.now = NOW
        self.actions: list[Action] = []
        self.state = state or Exchange(IDENTITY, lambda: 0.5, IPv4Address(wish) if wish else None)
        if state is None:
            self._take(exchange.begin(self.state, self.now, known))

    def _take(self, step: Step) -> None:
        self.state, actions = step
        self.actions += actions

    def hear(self, message: DhcpMessage, source: str = SERVER_MAC, /, **fields: Any) -> "Dialogue":
        """Let a message for the client's present question arrive, or one with other ``fields``."""
        values = {"xid": self.state.xid, **fields}
        message = DhcpMessage(**{name: getattr(message, name) for name in DhcpMessage.__slots__} | values)
        self._take(exchange.heard(self.state, message, source, self.now))
        return self

    def claim(self, address: str, mac: str) -> "Dialogue":
        """Let an ARP frame arrive."""
        self._take(exchange.claimed(self.state, Claim(IPv4Address(address), mac), self.now))
        return self

    def wait(self, moments: int = 1) -> "Dialogue":
        """Let so many of the client's moments come."""
        for _ in range(moments):
            self.now = self.state.deadline
            self._take(exchange.passed(self.state, self.now))
        return self

    def bound(self) -> "Dialogue":
        """Go on until the client has its first lease, and forget what was said."""
        self.hear(answer("OFFER")).hear(answer("ACK")).wait(exchange.PROBES)
        assert self.state.phase is Phase.BOUND
        self.said()
        return self

    def said(self) -> list[str]:
        """Return the actions in words, and forget them."""
        actions, self.actions = self.actions, []
        return [_words(action) for action in actions]


def _words(action: Action) -> str:
    if isinstance(action, Send):
        message = action.message
        wish = message.address(dhcp4.WISH) or (message.own if message.own != dhcp4.NOBODY else "")
        to = "" if action.ends.target_mac == "ff:ff:ff:ff:ff:ff" else f" to {action.ends.target}"
        return f"{KINDS[message.kind]} {wish}".strip() + to
    if isinstance(action, Probe):
        return f"probe {action.address}"
    if isinstance(action, Got):
        return f"got {action.lease.address} for {action.lease.lasts}"
    return "lost" if isinstance(action, Lost) else "refused"


def lease(address: str = ADDRESS, taken: float = NOW, lasts: int = 1000) -> Lease4:
    """Return a lease of the server."""
    return Lease4(
        IPv4Interface(f"{address}/24"),
        IPv4Address(SERVER),
        int(taken),
        lasts,
        lasts // 2,
        lasts * 7 // 8,
        router=IPv4Address(SERVER),
    )
