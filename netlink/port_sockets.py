"""PortSockets that hold published ports, so that no other process of the host can take them.

nftables translates before a packet reaches a socket, so these hear little: they are deaf by a filter that drops all
(the program ``ret 0`` of classic BPF, socket(7) SO_ATTACH_FILTER), or handed to a relay for what nftables cannot do.
"""

import ctypes
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Protocol

from netlink import uapi
from netlink.errors import kernel_errors
from netlink.listeners import listening

BACKLOG = 128  # connections that wait to be relayed
_KINDS = {
    socket.IPPROTO_TCP: socket.SOCK_STREAM,
    socket.IPPROTO_UDP: socket.SOCK_DGRAM,
    socket.IPPROTO_SCTP: socket.SOCK_STREAM,
}
_DROP_ALL = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # struct sock_filter: BPF_RET | BPF_K, 0
_PROGRAM = struct.pack("@HP", 1, ctypes.addressof(_DROP_ALL))  # struct sock_fprog


class Forwarder(Protocol):
    """Forwards what arrives on sockets (``netlink.relay.Relay``)."""

    def add(self, *listeners: tuple[socket.socket, tuple[str, int]]) -> None:
        """Forward what arrives on each socket to its target."""

    def remove(self, *listeners: socket.socket) -> None:
        """Leave ``listeners`` alone."""


@dataclass(frozen=True, slots=True)
class PortSocket:
    """A port that is held; ``socket`` is None for a protocol that this kernel has no sockets for.

    ``dual``: of both families, not of ``::`` alone.
    """

    port: int
    socket: socket.socket | None
    relay_to: tuple[str, int] | None = None
    dual: bool = False


class PortSockets:
    """Holds ports of the network namespace that this process lives in."""

    def __init__(self, relay: Forwarder) -> None:
        self._relay = relay

    def hold(
        self,
        proto: int,
        address: IPv4Address | IPv6Address,
        port: int,
        relay_to: tuple[IPv4Address | IPv6Address, int] | None = None,
        *,
        dual: bool = False,
    ) -> PortSocket:
        """Take ``port`` (0: any free one) of ``address`` for IP protocol ``proto``, deaf or for ``serve``.

        ``dual`` takes it of IPv4 too, with the one socket that ``::`` needs; without IPv6 in the kernel, of IPv4 alone.

        Raises:
            KernelError: ``Exists`` when the port is taken, ``Missing`` when the host does not have the address.
        """
        where = f"[{address}]" if address.version == 6 else str(address)
        with kernel_errors(f"hold port {port} of {where}"):
            if dual and not _has_ipv6():
                address, relay_to = IPv4Address(0), None
            try:
                sock = _socket(proto, address)
            except OSError:
                if proto != socket.IPPROTO_SCTP:
                    raise
                return PortSocket(port or _any_number(), None, dual=dual)  # no process can take it either
            try:
                _bind(sock, proto, address, port, deaf=relay_to is None, dual=dual)
            except BaseException:
                sock.close()
                raise
        if relay_to is None or proto == socket.IPPROTO_SCTP:
            return PortSocket(port or sock.getsockname()[1], sock, dual=dual)
        return PortSocket(port or sock.getsockname()[1], sock, (_text(relay_to[0]), relay_to[1]), dual)

    def users(self, proto: int, port: int) -> Iterable[IPv4Address | IPv6Address]:
        """Return the addresses of which a process has the port, as far as the kernel lists them (no SCTP)."""
        found = (address for used, address, number in listening() if (used, number) == (proto, port))
        return {getattr(address, "ipv4_mapped", None) or address for address in found}

    def serve(self, holds: Iterable[PortSocket]) -> None:
        """Begin to relay; all at once, as the relay's thread would be in the way of holding further ports."""
        self._relay.add(*((hold.socket, hold.relay_to) for hold in holds if hold.socket and hold.relay_to))

    def release(self, holds: Iterable[PortSocket]) -> None:
        """Give ports back."""
        given = [hold for hold in holds if hold.socket is not None]
        self._relay.remove(*(hold.socket for hold in given if hold.relay_to and hold.socket))
        for hold in given:
            if hold.socket is not None:
                hold.socket.close()


@lru_cache(maxsize=1)
def _has_ipv6() -> bool:
    """Say whether the kernel has IPv6; it is switched off with ipv6.disable=1 at boot only."""
    return Path("/proc/net/if_inet6").exists()


@lru_cache(maxsize=64)
def _text(address: IPv4Address | IPv6Address) -> str:
    return str(address)


def _any_number() -> int:
    """Return a port number that the kernel gives to those who ask for any."""
    with socket.socket() as sock:
        sock.bind(("", 0))
        return int(sock.getsockname()[1])


def _socket(proto: int, address: IPv4Address | IPv6Address) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return socket.socket(family, _KINDS[proto] | socket.SOCK_CLOEXEC, proto)


def _bind(
    sock: socket.socket, proto: int, address: IPv4Address | IPv6Address, port: int, *, deaf: bool, dual: bool
) -> None:
    if address.version == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
    if deaf:
        sock.setsockopt(socket.SOL_SOCKET, uapi.SO_ATTACH_FILTER, _PROGRAM)
    if proto != socket.IPPROTO_UDP:
        # A connection that waits in TIME_WAIT does not hold the port; a listening socket does.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((_text(address), port))
    if proto != socket.IPPROTO_UDP:
        sock.listen(BACKLOG)
