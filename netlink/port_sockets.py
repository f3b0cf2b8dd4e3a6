"""Sockets that hold published ports, so that no other process of the host can take them.

nftables translates a packet before it reaches a socket, so these receive little. They are deaf, by a filter that drops
everything (the program ``ret 0`` of classic BPF, socket(7) SO_ATTACH_FILTER), or a relay serves them where nftables
cannot translate.
"""

import ctypes
import resource
import socket
import struct
import threading
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from netlink import uapi
from netlink.errors import kernel_errors
from netlink.ip import FAMILY, Address, SocketAddress
from netlink.listeners import addresses_of
from netlink.values import dataclass

Target = tuple[Address, int]  # to which a relay leads: address and port
BACKLOG = 128  # connections that wait to be relayed
OTHERS = 8192  # open files for everything but ports: relayed connections have two each, requests and the store one
_KINDS = {
    socket.IPPROTO_TCP: socket.SOCK_STREAM,
    socket.IPPROTO_UDP: socket.SOCK_DGRAM,
    socket.IPPROTO_SCTP: socket.SOCK_STREAM,
}
_DROP_ALL = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # struct sock_filter: BPF_RET | BPF_K, 0
_PROGRAM = struct.pack("@HP", 1, ctypes.addressof(_DROP_ALL))  # struct sock_fprog


class Forwarder(Protocol):
    """Forwards connections and datagrams of sockets (``netlink.relay.Relay``)."""

    def add(self, *listeners: tuple[socket.socket, SocketAddress]) -> None:
        """Forward from each socket to its target."""

    def remove(self, *listeners: socket.socket) -> None:
        """Leave ``listeners`` alone."""


@dataclass(frozen=True, slots=True)
class PortSocket:
    """A port that is held; ``socket`` is None for a protocol that this kernel has no sockets for.

    A ``dual`` socket holds the port of both families, not of ``::`` alone.
    """

    port: int
    socket: socket.socket | None
    relay_to: SocketAddress | None = None
    dual: bool = False


class PortSockets:
    """Holds ports of the network namespace that this process lives in."""

    def __init__(self, relay: Forwarder) -> None:
        self._relay = relay
        self._guard = threading.Lock()  # guards held
        self.held = 0  # sockets

    @property
    def most(self) -> int:
        """The number of sockets that may be held, by the limit of open files (getrlimit(2)); each takes one."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return limit - min(OTHERS, limit // 4)

    def hold(
        self, proto: int, address: Address, port: int, relay_to: Target | None = None, *, dual: bool = False
    ) -> PortSocket:
        """Take ``port`` (0: any free one) of ``address`` for IP protocol ``proto``, deaf or for ``serve``.

        With ``dual`` one socket takes the port of ``::`` and of IPv4; on a kernel without IPv6, of IPv4 alone.
        """
        where = f"[{_text(address)}]" if address.version == 6 else _text(address)
        with kernel_errors(f"hold port {port} of {where}"):
            if dual and not _has_ipv6():
                address, relay_to = IPv4Address(0), None
            try:
                sock = _socket(proto, address)
            except OSError:
                if proto != socket.IPPROTO_SCTP:
                    raise
                return PortSocket(port or _any_number(), None, dual=dual)  # no other process can take it either
            try:
                _bind(sock, address, port, deaf=relay_to is None, dual=dual)
            except BaseException:
                sock.close()
                raise
        self._count(1)
        if relay_to is None or proto == socket.IPPROTO_SCTP:
            return PortSocket(port or sock.getsockname()[1], sock, dual=dual)
        return PortSocket(port or sock.getsockname()[1], sock, (_text(relay_to[0]), relay_to[1]), dual)

    def users(self, proto: int, port: int) -> Iterable[Address]:
        """Return the addresses on which a process has the port, as far as the kernel lists them (no SCTP)."""
        return {getattr(address, "ipv4_mapped", None) or address for address in addresses_of(proto, port)}

    def serve(self, ports: Iterable[PortSocket]) -> None:
        """Begin to relay; all ports at once, as the relay's thread would slow down the holding of further ports."""
        self._relay.add(*((port.socket, port.relay_to) for port in ports if port.socket and port.relay_to))

    def release(self, ports: Iterable[PortSocket]) -> None:
        """Give ports back."""
        held = [(port.socket, port.relay_to) for port in ports if port.socket is not None]
        self._relay.remove(*(sock for sock, relayed in held if relayed))
        for sock, _ in held:
            sock.close()
        self._count(-len(held))

    def _count(self, more: int) -> None:
        with self._guard:
            self.held += more


@lru_cache(maxsize=1)
def _has_ipv6() -> bool:
    """Return whether the kernel has IPv6, which only ipv6.disable=1 at boot takes away."""
    return Path("/proc/net/if_inet6").exists()


@lru_cache(maxsize=64)
def _text(address: Address) -> str:
    return str(address)


def _any_number() -> int:
    """Return a free port number, which the kernel chooses."""
    with socket.socket() as sock:
        sock.bind(("", 0))
        return int(sock.getsockname()[1])


def _socket(proto: int, address: Address) -> socket.socket:
    return socket.socket(FAMILY[address.version], _KINDS[proto] | socket.SOCK_CLOEXEC, proto)


def _bind(sock: socket.socket, address: Address, port: int, *, deaf: bool, dual: bool) -> None:
    if address.version == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
    if deaf:
        sock.setsockopt(socket.SOL_SOCKET, uapi.SO_ATTACH_FILTER, _PROGRAM)
    if sock.proto != socket.IPPROTO_UDP:
        # A listening socket still holds the port, but a connection in TIME_WAIT no longer does.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((_text(address), port))
    if sock.proto != socket.IPPROTO_UDP:
        sock.listen(BACKLOG)
