"""Sockets of other processes: ports on which they listen (proc(5), /proc/net/tcp), and users of unix sockets."""

import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netlink import uapi
from netlink.deadline import remaining
from netlink.ip import FAMILIES, Address
from netlink.request import PATIENCE
from netlink.wire import attributes, check, error_number, message, messages, number

TCP_LISTEN, UDP_UNCONNECTED = "0A", "07"
_FILES = {
    "tcp": (socket.IPPROTO_TCP, TCP_LISTEN),
    "tcp6": (socket.IPPROTO_TCP, TCP_LISTEN),
    "udp": (socket.IPPROTO_UDP, UDP_UNCONNECTED),
    "udp6": (socket.IPPROTO_UDP, UDP_UNCONNECTED),
}
ListeningPort = tuple[int, Address, int]  # IP protocol, address, port


def listening(folder: Path = Path("/proc/net")) -> frozenset[ListeningPort]:
    """Return protocol, address and port of every listening TCP and unconnected UDP socket."""
    return frozenset(port for name in _FILES for port in _read(folder / name, *_FILES[name]))


def _read(file: Path, proto: int, state: str) -> Iterator[ListeningPort]:
    try:
        lines = file.read_text().splitlines()[1:]
    except OSError:
        return  # no IPv6
    for words in map(str.split, lines):
        if words[3] == state:
            address, _, port = words[1].partition(":")
            yield proto, _address(address), int(port, 16)


def _address(text: str) -> Address:
    """Read 32-bit words of an address that are printed as numbers of the host's byte order."""
    packed = b"".join(int(text[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(text), 8))
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


ANY_STATE = 0xFFFFFFFF
_STATES = {socket.IPPROTO_TCP: 1 << 10, socket.IPPROTO_UDP: 1 << 7}  # TCP_LISTEN, and TCP_CLOSE for UDP (tcp_states.h)


def addresses_of(proto: int, port: int) -> set[Address]:
    """Return the addresses on which a process listens on ``port``, as ``listening`` does; the kernel picks the sockets.

    A host may have a hundred thousand connections, and all of them are in the files of /proc/net.
    """
    if proto not in _STATES:
        return set()
    try:
        return {address for family in FAMILIES for address in _diagnosed(family, proto, port)}
    except OSError:  # a kernel without sock_diag
        return {address for used, address, number in listening() if (used, number) == (proto, port)}


def _diagnosed(family: int, proto: int, port: int) -> Iterator[Address]:
    asked = uapi.INET_DIAG_REQ.pack(family, proto, 0, _STATES[proto], port.to_bytes(2, "big"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, uapi.NETLINK_SOCK_DIAG) as sock:
        sock.settimeout(remaining(PATIENCE))
        sock.send(message(uapi.SOCK_DIAG_BY_FAMILY, uapi.NLM_F_DUMP, asked))
        while True:
            for kind, _, body in messages(sock.recv(1 << 17)):
                if kind in {uapi.NLMSG_DONE, uapi.NLMSG_ERROR}:
                    check(error_number(body))
                if kind == uapi.NLMSG_DONE:
                    return
                packed = body[uapi.INET_DIAG_MSG_SOURCE]
                yield IPv6Address(packed) if body[0] == socket.AF_INET6 else IPv4Address(packed[:4])


def unix_user(name: bytes) -> int | None:
    """Return the user id of the socket bound to ``name``; None without one, and if the kernel does not tell.

    It need not listen (sock_diag(7)); pyroute2 does not read UNIX_DIAG_UID.

    Raises:
        OSError: the kernel does not answer.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, uapi.NETLINK_SOCK_DIAG) as sock:
        sock.settimeout(remaining(PATIENCE))
        show = uapi.UDIAG_SHOW_NAME | uapi.UDIAG_SHOW_UID
        asked = uapi.UNIX_DIAG_REQ.pack(socket.AF_UNIX, 0, 0, ANY_STATE, 0, show, 0, 0)
        sock.send(message(uapi.SOCK_DIAG_BY_FAMILY, uapi.NLM_F_DUMP, asked))
        found: int | None = None
        while True:
            for kind, _, body in messages(sock.recv(1 << 17)):
                if kind == uapi.NLMSG_DONE:
                    return found
                if kind == uapi.NLMSG_ERROR:
                    check(error_number(body))
                facts = dict(attributes(body[uapi.UNIX_DIAG_MSG :]))
                if facts.get(uapi.UNIX_DIAG_NAME) == name and uapi.UNIX_DIAG_UID in facts:
                    found = number(facts[uapi.UNIX_DIAG_UID])
