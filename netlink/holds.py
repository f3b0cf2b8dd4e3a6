"""Sockets that hold published ports, so that no other process of the host can take them.

nftables translates before a packet reaches a socket, so these hear little: they are deaf by a filter that drops all
(the program ``ret 0`` of classic BPF, socket(7) SO_ATTACH_FILTER), or handed to a relay for what nftables cannot do.
"""

import ctypes
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from netlink.errors import kernel_errors

SO_ATTACH_FILTER = 26  # asm-generic/socket.h
IPPROTO_SCTP = 132
BACKLOG = 128  # connections that wait to be relayed
_KINDS = {
    socket.IPPROTO_TCP: socket.SOCK_STREAM,
    socket.IPPROTO_UDP: socket.SOCK_DGRAM,
    IPPROTO_SCTP: socket.SOCK_STREAM,
}
_DROP_ALL = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # struct sock_filter: BPF_RET | BPF_K, 0
_PROGRAM = struct.pack("@HP", 1, ctypes.addressof(_DROP_ALL))  # struct sock_fprog


class Forwarder(Protocol):
    """Forwards what arrives on sockets (``netlink.relay.Relay``)."""

    def add(self, listener: socket.socket, target: tuple[str, int]) -> None:
        """Forward what arrives on ``listener``."""

    def remove(self, *listeners: socket.socket) -> None:
        """Leave ``listeners`` alone."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A port that is held; ``socket`` is None for a protocol that this kernel has no sockets for."""

    port: int
    socket: socket.socket | None
    relayed: bool = False


class Sockets:
    """Holds ports of the network namespace that this process lives in."""

    def __init__(self, relay: Forwarder) -> None:
        self._relay = relay

    def hold(
        self,
        proto: int,
        address: IPv4Address | IPv6Address,
        port: int,
        relay_to: tuple[IPv4Address | IPv6Address, int] | None = None,
    ) -> Hold:
        """Take ``port`` (0: any free one) of ``address`` for IP protocol ``proto``, deaf or relayed.

        Raises:
            KernelError: ``Exists`` when the port is taken, ``Missing`` when the host does not have the address.
        """
        with kernel_errors(f"hold port {port} of {address}"):
            try:
                sock = _socket(proto, address)
            except OSError:
                if proto != IPPROTO_SCTP:
                    raise
                return Hold(port, None)  # no process of this host can take it either
            try:
                _bind(sock, proto, address, port, deaf=relay_to is None)
            except BaseException:
                sock.close()
                raise
        if relay_to is None or proto == IPPROTO_SCTP:
            return Hold(sock.getsockname()[1], sock)
        self._relay.add(sock, (str(relay_to[0]), relay_to[1]))
        return Hold(sock.getsockname()[1], sock, relayed=True)

    def release(self, holds: Iterable[Hold]) -> None:
        """Give ports back."""
        given = [hold for hold in holds if hold.socket is not None]
        self._relay.remove(*(hold.socket for hold in given if hold.relayed and hold.socket))
        for hold in given:
            if hold.socket is not None:
                hold.socket.close()


def _socket(proto: int, address: IPv4Address | IPv6Address) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return socket.socket(family, _KINDS[proto] | socket.SOCK_CLOEXEC, proto)


def _bind(sock: socket.socket, proto: int, address: IPv4Address | IPv6Address, port: int, *, deaf: bool) -> None:
    if address.version == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if deaf:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, _PROGRAM)
    if proto != socket.IPPROTO_UDP:
        # A connection that waits in TIME_WAIT does not hold the port; a listening socket does.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((str(address), port))
    if proto != socket.IPPROTO_UDP:
        sock.listen(BACKLOG)
