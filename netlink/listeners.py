"""Ports on which any process listens (proc(5), /proc/net/tcp)."""

import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netlink.ip import Address

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
