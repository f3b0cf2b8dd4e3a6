"""VXLAN frames on a link of the test's namespace, taken apart (RFC 7348)."""

import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, UDP = 3, 0x0800, 0x86DD, 17
IP_MORE_OR_OFFSET = 0x3FFF  # of the 16 bits with the flags and the offset of a fragment
ARP = 0x0806
# A container that was just started asks for routers, and tells which multicast it listens to.
GREETINGS = ("33:33:00:00:00:02", "33:33:00:00:00:16")


@dataclass(frozen=True, slots=True)
class Tunnelled:
    """A frame inside VXLAN: VNI, destination MAC, EtherType, and the bytes of the outer packet without Ethernet."""

    vni: int
    to: str
    kind: int
    outer_length: int


class Capture:
    """Use it with ``with``; ``tunnelled`` says what passed since the beginning."""

    def __init__(self, link: str, port: int = 4789) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((link, ETH_P_ALL))
        self._socket.setblocking(False)
        self._port = port
        self.fragments = 0

    def tunnelled(self) -> list[Tunnelled]:
        """Return the tunnelled frames that came since the last call; fragments of IPv4 are counted."""
        found: list[Tunnelled] = []
        while True:
            try:
                frame = self._socket.recv(1 << 16)
            except BlockingIOError:
                return found
            inner = self._open(frame)
            if inner is not None:
                found.append(inner)

    def _open(self, frame: bytes) -> Tunnelled | None:
        kind = int.from_bytes(frame[12:14], "big")
        if kind == ETH_P_IP and frame[23] == UDP:
            self.fragments += bool(int.from_bytes(frame[20:22], "big") & IP_MORE_OR_OFFSET)
            udp, length = 14 + (frame[14] & 15) * 4, int.from_bytes(frame[16:18], "big")
        elif kind == ETH_P_IPV6 and frame[20] == UDP:
            udp, length = 54, 40 + int.from_bytes(frame[18:20], "big")
        else:
            return None
        (port,) = struct.unpack_from(">H", frame, udp + 2)
        if port != self._port:
            return None
        inner = frame[udp + 16 :]
        return Tunnelled(
            vni=int.from_bytes(frame[udp + 12 : udp + 15], "big"),
            to=inner[:6].hex(":"),
            kind=int.from_bytes(inner[12:14], "big"),
            outer_length=length,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._socket.close()
