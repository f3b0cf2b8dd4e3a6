"""One client of DHCP, and the register in which a message or a claim of an address finds its client."""

import random
from collections.abc import Callable
from concurrent.futures import Future
from ipaddress import IPv4Address

from plugin.dhcp.exchange import Exchange, Phase
from plugin.dhcp.model import ClientIdentity, Lease4
from plugin.dhcp.sockets import Place

Changed = Callable[[Lease4 | None], None]
_random = random.SystemRandom().random


class Client:
    """A client that is being served: with ``answer`` it waits for a lease, with ``changed`` it has one."""

    def __init__(
        self,
        link: str,
        identity: ClientIdentity,
        *,
        wish: IPv4Address | None = None,
        answer: "Future[Lease4] | None" = None,
        changed: Changed | None = None,
        hear: str = "",
    ) -> None:
        self.link, self.hear = link, hear
        self.exchange = Exchange(identity, _random, wish)
        self.answer, self.changed = answer, changed
        self.places: frozenset[Place] = frozenset()  # the sockets that it uses

    def wanted(self) -> frozenset[Place]:
        """Return the sockets that its phase needs."""
        phase = self.exchange.phase
        if phase in {Phase.BOUND, Phase.PAUSING}:
            return frozenset()
        if phase is Phase.PROBING:
            return frozenset({Place(self.link, "probes")})
        outgoing = {Place(self.hear, "outgoing")} if self.hear and phase in {Phase.RENEWING, Phase.REBINDING} else set()
        return frozenset({Place(self.link)} | outgoing)


class Register:
    """Finds clients by the message for which they wait, and by the address that they have or are about to use."""

    def __init__(self) -> None:
        self._asking: dict[tuple[int, str], Client] = {}  # by xid and MAC
        self._holders: dict[tuple[str, IPv4Address], Client] = {}  # by link and address

    def add(self, client: Client) -> None:
        """Enter a client with its present state."""
        state = client.exchange
        self._asking[state.xid, state.identity.mac] = client
        if state.lease is not None and state.phase is not Phase.REQUESTING:
            self._holders.setdefault((client.link, state.lease.address.ip), client)

    def remove(self, client: Client) -> None:
        """Take a client out, before its state changes."""
        state = client.exchange
        self._asking.pop((state.xid, state.identity.mac), None)
        if state.lease is not None and self.holder(client.link, state.lease.address.ip) is client:
            del self._holders[client.link, state.lease.address.ip]

    def asking(self, recipient: tuple[int, str]) -> Client | None:
        """Return the client that waits for messages with this xid and MAC."""
        return self._asking.get(recipient)

    def holder(self, link: str, address: IPv4Address) -> Client | None:
        """Return the client that has an address, or is about to use it."""
        return self._holders.get((link, address))
