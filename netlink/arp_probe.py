"""Asks a LAN whether somebody has an address, before a container uses it (RFC 5227)."""

import socket
import struct
from ipaddress import IPv4Address
from typing import NamedTuple

from netlink import uapi
from netlink.dhcp_link import TO_ALL
from netlink.errors import kernel_errors
from netlink.headers import ETHER_ARP

_ARP = struct.Struct("!HHBBH6s4s6s4s")
_KIND = (1, 0x0800, 6, 4)  # of Ethernet and IPv4 (RFC 826)
_REQUEST, _REPLY = 1, 2
_ROOM = 1 << 20  # bytes of frames that wait to be read
_AT_ONCE = 256  # frames that are read before others get their turn


class Claim(NamedTuple):
    """A machine, by its MAC, that has an address or is about to use it."""

    address: IPv4Address
    mac: str


class ArpLink:
    """ARP on a link, in the link's own name, so that answers reach it whatever MACs its hardware lets pass.

    Raises:
        KernelError: ``Missing`` without the link, ``Denied`` without CAP_NET_RAW.
    """

    def __init__(self, link: str) -> None:
        self._link = link
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with kernel_errors(f"hear of addresses on link '{link}'"):
            self._socket = socket.socket(socket.AF_PACKET, kind, 0)
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, _ROOM)
                self._socket.bind((link, ETHER_ARP))
                self._mac: bytes = self._socket.getsockname()[4]
            except BaseException:
                self._socket.close()
                raise

    def fileno(self) -> int:
        """Return the descriptor that is ready when a frame waits."""
        return self._socket.fileno()

    def ask(self, address: IPv4Address) -> None:
        """Send one probe.

        Raises:
            KernelError: the link is down or gone.
        """
        with kernel_errors(f"ask for address {address} on link '{self._link}'"):
            self._socket.send(probe(self._mac, address))

    def receive(self) -> list[Claim]:
        """Return the claims that wait, without waiting for any.

        Raises:
            KernelError: the link is down or gone.
        """
        found: list[Claim] = []
        with kernel_errors(f"hear of addresses on link '{self._link}'"):
            for _ in range(_AT_ONCE):
                try:
                    claim = read_claim(self._socket.recv(128))
                except BlockingIOError:
                    break
                if claim is not None:
                    found.append(claim)
        return found

    def close(self) -> None:
        """Stop."""
        self._socket.close()


def probe(mac: bytes, address: IPv4Address) -> bytes:
    """Return the frame of a probe: an ARP request without an address of the sender."""
    head = bytes.fromhex(TO_ALL.replace(":", "")) + mac + ETHER_ARP.to_bytes(2, "big")
    return head + _ARP.pack(*_KIND, _REQUEST, mac, bytes(4), bytes(6), address.packed)


def read_claim(data: bytes) -> Claim | None:
    """Return the claim in an ARP frame: the sender's address, or the one for which the sender probes."""
    if len(data) < 14 + _ARP.size:
        return None
    *kind, operation, mac, source, _, target = _ARP.unpack_from(data, 14)
    if tuple(kind) != _KIND or operation not in {_REQUEST, _REPLY}:
        return None
    if any(source):
        return Claim(IPv4Address(source), mac.hex(":"))
    return Claim(IPv4Address(target), mac.hex(":")) if operation == _REQUEST else None
