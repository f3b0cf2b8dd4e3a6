"""Values of DHCP: who asks, the lease that a server gave, and the client that the wire offers to the rest of pynet."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Protocol

from netlink.values import dataclass
from plugin.errors import Exhausted, Failed

FOREVER = 0xFFFFFFFF  # seconds, of a lease without an end (RFC 2131 section 3.3)


class NoServer(Failed):
    """No server answered in time."""


class NoAddress(Exhausted):
    """A server refused the address, or every address that it offered is in use on the LAN."""


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """The texts by which a server knows a client.

    ``client_id`` is option 61 with its type in the first byte, without one the server goes by ``mac``. ``host_name``
    (option 12) and ``vendor_class`` (option 60) are left out of messages if they are "".
    """

    mac: str
    client_id: bytes = b""
    host_name: str = ""
    vendor_class: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A classless static route (option 121, RFC 3442); ``router`` is 0.0.0.0 for a destination on the link itself."""

    destination: IPv4Network
    router: IPv4Address


@dataclass(frozen=True, slots=True)
class Lease4:
    """An address that a server gave, and the options that came with it.

    ``taken`` is the time of the request that the server acknowledged, in seconds since 1970; ``t1``, ``t2`` and
    ``lasts`` are seconds after it, and ``lasts`` is ``FOREVER`` without an end. ``mtu`` is 0 if the server named none.
    ``router`` is the first of option 3, which counts only without ``routes`` (RFC 3442).
    """

    address: IPv4Interface
    server: IPv4Address
    taken: int
    lasts: int
    t1: int
    t2: int
    router: IPv4Address | None = None
    routes: tuple[Route, ...] = ()
    dns: tuple[IPv4Address, ...] = ()
    domain: str = ""
    mtu: int = 0

    def over(self, now: float) -> bool:
        """Return whether the lease has ended at ``now``, in seconds since 1970."""
        return self.lasts != FOREVER and now >= self.taken + self.lasts


class Dhcp4(Protocol):
    """A DHCPv4 client for any number of addresses, outside of the containers that use them.

    ``link`` is the link on which it sends, which need not have the MAC or the address of the client.
    """

    @property
    def trouble(self) -> str:
        """The problem of its thread as a sentence, "" if that is well or not there."""

    def acquire(
        self, link: str, identity: ClientIdentity, wish: IPv4Address | None, known: Lease4 | None, timeout: float
    ) -> Lease4:
        """Get a lease within ``timeout`` seconds, of the address ``wish`` if a server will give it.

        With ``known`` it asks for the same lease again (INIT-REBOOT), and for any address if that is refused. Addresses
        that answer an ARP probe are declined.

        Raises:
            NoServer: no server answered.
            NoAddress: a server answered, and there is no address to be had.
            KernelError: the link is gone, or cannot be used.
        """

    def keep(
        self,
        link: str,
        identity: ClientIdentity,
        lease: Lease4,
        changed: Callable[[Lease4 | None], None],
        hear: str = "",
    ) -> None:
        """Renew ``lease`` until ``drop``, and call ``changed`` with each new lease, or with None without one.

        It returns at once; ``changed`` is called by a thread of the client, which goes on asking after None. Answers to
        the client's own MAC arrive on ``hear``, or on ``link`` without it.
        """

    def drop(self, link: str, identity: ClientIdentity, *, release: Lease4 | None) -> None:
        """Stop keeping a lease, if one is kept, and give ``release`` back to its server; it waits for no answer."""


def no_client() -> Dhcp4:
    """Stand in for the maker of a client on a host that has none; raises ``Failed``."""
    raise Failed("this pynet has no client of DHCP")
