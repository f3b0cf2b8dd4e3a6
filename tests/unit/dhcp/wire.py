"""A LAN without a kernel: sockets that note what is sent on them, and hold what is to be heard."""

import os
from concurrent.futures import Future
from dataclasses import replace
from ipaddress import IPv4Address

from netlink import dhcp4
from netlink.arp_probe import Claim
from netlink.dhcp4 import DhcpMessage
from netlink.dhcp_link import Ends, Heard
from netlink.errors import KernelError
from plugin.dhcp.client import Changed, Client
from plugin.dhcp.clients import Clients
from plugin.dhcp.exchange import PROBES
from plugin.dhcp.model import ClientIdentity, Lease4
from plugin.dhcp.sockets import LinkSockets, Place
from tests.unit.dhcp.dialogue import IDENTITY, KINDS, NOW, SERVER_MAC, answer

LINK = "eth0"


class FakeLan:
    """A LAN, the clients on it, and their clock; ``broken`` is the reason for which everything fails.

    ``sent`` has the kinds of messages, and their target MACs, and the probes.
    """

    def __init__(self) -> None:
        self.now, self.broken = NOW, ""
        self.sockets: list[Place] = []
        self.opened = 0
        self.sent: list[tuple[str, str]] = []
        self.last = DhcpMessage(0, 0, "")
        self.messages: list[Heard] = []
        self.claims: list[Claim] = []
        self.clients = Clients(LinkSockets(self.open_messages, self.open_probes), lambda: self.now, {})

    def fail(self) -> None:
        """Fail, if the LAN is broken."""
        if self.broken:
            raise KernelError(self.broken)

    def open_messages(self, link: str, *, outgoing: bool = False) -> "FakeMessages":
        self.fail()
        return FakeMessages(self, Place(link, "outgoing" if outgoing else "messages"))

    def open_probes(self, link: str) -> "FakeProbes":
        self.fail()
        return FakeProbes(self, Place(link, "probes"))

    def ask(self, identity: ClientIdentity = IDENTITY) -> "tuple[Client, Future[Lease4]]":
        """Let a client ask for a lease."""
        answer: Future[Lease4] = Future()
        client = Client(LINK, identity, answer=answer)
        self.clients.begin(client, None)
        return client, answer

    def keep(self, lease: Lease4, changed: Changed, hear: str = "") -> Client:
        """Let a client keep a lease."""
        client = Client(LINK, IDENTITY, changed=changed, hear=hear)
        self.clients.keep(client, lease)
        return client

    def hear(self, message: DhcpMessage, use: str = "messages") -> None:
        """Let an answer to the last message arrive."""
        data = b"\2" + replace(message, xid=self.last.xid, mac=self.last.mac).pack()[1:]
        given = data[:16] + message.given.packed + data[20:]
        self.messages = [Heard(SERVER_MAC, given)]
        self.clients.hear([Place(LINK, use)])

    def claim(self, address: str, mac: str) -> None:
        """Let an ARP frame arrive."""
        self.claims = [Claim(IPv4Address(address), mac)]
        self.clients.hear([Place(LINK, "probes")])

    def wait(self, moments: int = 1) -> None:
        """Let so many moments of clients come."""
        for _ in range(moments):
            self.now += self.clients.next_moment()
            self.clients.go_on()

    def grant(self) -> None:
        """Answer offer and request, and let the probes pass."""
        self.hear(answer("OFFER"))
        self.hear(answer("ACK"))
        self.wait(PROBES)


class _FakeSocket:
    def __init__(self, lan: FakeLan, place: Place) -> None:
        self.lan, self.place, self.file = lan, place, os.eventfd(0)
        lan.sockets.append(place)
        lan.opened += 1

    def fileno(self) -> int:
        """Return a descriptor."""
        return self.file

    def close(self) -> None:
        """Stop."""
        os.close(self.file)
        self.lan.sockets.remove(self.place)


class FakeMessages(_FakeSocket):
    """Messages of a link."""

    def send(self, ends: Ends, data: bytes) -> None:
        """Note a message."""
        self.lan.fail()
        self.lan.last = dhcp4.read(b"\2" + data[1:])
        self.lan.sent.append((KINDS[self.lan.last.kind], ends.target_mac))

    def receive(self) -> list[Heard]:
        """Return what waits."""
        self.lan.fail()
        found, self.lan.messages = self.lan.messages, []
        return found


class FakeProbes(_FakeSocket):
    """Claims of a link."""

    def ask(self, address: IPv4Address) -> None:
        """Note a probe."""
        self.lan.fail()
        self.lan.sent.append(("probe", str(address)))

    def receive(self) -> list[Claim]:
        """Return what waits."""
        self.lan.fail()
        found, self.lan.claims = self.lan.claims, []
        return found
