"""Texts for users when a port cannot be published: the address on which it is taken, and its holder."""

from collections.abc import Iterable, Sequence

from netlink.errors import KernelError, Missing
from plugin.engine.names import Names
from plugin.errors import Conflict
from plugin.firewall.elements import PROTOCOLS
from plugin.interfaces import PortSockets
from plugin.protocol.messages import Address, PortBinding
from plugin.publish.book import Book, Collision, WantedSocket, collisions


class Refusals:
    """Looks for the holder of a port in pynet's book first, then asks the kernel for listeners."""

    def __init__(self, book: Book, sockets: PortSockets, names: Names) -> None:
        self._book = book
        self._sockets = sockets
        self._names = names

    def of(self, binding: PortBinding, wanted: WantedSocket, error: KernelError) -> Conflict:
        """Return the answer to a request whose last candidate, ``wanted``, was refused with ``error``."""
        what = f"publish port {wanted.port or binding.port}/{PROTOCOLS[wanted.proto]}"
        if binding.host_port_end > binding.host_port:
            what = f"publish a port of {binding.host_port}-{binding.host_port_end}"
        if isinstance(error, Missing):
            return Conflict(f"{what} on {socket_text(wanted.host, wanted.port)}: the host does not have this address")
        if not binding.host_port:
            where = _listed(socket_text(address) for address in wanted.addresses)
            what = f"publish port {binding.port}/{PROTOCOLS[wanted.proto]} on any port of {where}"
            return Conflict(f"{what}: all ports are allocated (net.ipv4.ip_local_port_range says which may be given)")
        if binding.host_port_end > binding.host_port:
            return Conflict(f"{what}: all ports are allocated, the last on {self.taken(wanted)}")
        return Conflict(f"{what} on {self.taken(wanted)}")

    def taken(self, wanted: WantedSocket) -> str:
        """Return the addresses on which a port is taken, and its holder, as a text."""
        for other, where in self._book.in_the_way(wanted).items():
            who = f"port is already allocated, to {self._names.container(other)}"
            return _sentence(where, who, wanted.port)
        where = list(collisions(wanted, self._sockets.users(wanted.proto, wanted.port)))
        where = where or [Collision(address, address) for address in wanted.addresses]
        return _sentence(where, "address already in use, by another program of the host", wanted.port)


def _sentence(where: Sequence[Collision], who: str, port: int) -> str:
    held = _listed(socket_text(collision.held, port) for collision in where if collision.held != collision.on)
    on = _listed(socket_text(collision.on, port) for collision in where)
    return f"{on}: {who}" + (f" on {held}" if held else "")


def socket_text(address: Address, port: int = 0) -> str:
    """Write an address as users type it before a port, "[::1]:80"; 0 is none."""
    text = f"[{address}]" if address.version == 6 else str(address)
    return f"{text}:{port}" if port else text


def _listed(addresses: Iterable[object]) -> str:
    return " and ".join(dict.fromkeys(map(str, addresses)))
