"""A look at everything that passes a link, and packets that nobody should believe."""

import socket
from dataclasses import dataclass
from ipaddress import IPv6Address
from types import TracebackType
from typing import Self

SO_RCVBUFFORCE = 33  # asm-generic/socket.h
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, UDP = 3, 0x0800, 0x86DD, 17
PROTOCOLS = {0: "hop-by-hop", 1: "icmp", 2: "igmp", 6: "tcp", UDP: "udp", 58: "icmpv6"}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame, and the UDP port to which it goes; 0 if it is no UDP."""

    raw: bytes
    port: int


class Segment:
    """Hears and sends on ``link`` of the test's namespace."""

    def __init__(self, link: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((link, ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)  # for a change of keys under pings
        self._socket.setblocking(False)

    def frames(self) -> list[Frame]:
        """Return what has passed since the last call."""
        found: list[Frame] = []
        while True:
            try:
                raw = self._socket.recv(1 << 16)
            except BlockingIOError:
                return found
            found.append(Frame(raw, _port(raw)))

    def forge(self, mac: str, source: IPv6Address, target: IPv6Address, vni: int) -> None:
        """Send VXLAN with an empty frame inside to the machine with ``mac``."""
        inner = bytes.fromhex(mac.replace(":", "")) + bytes(52)
        payload = b"\x08\0\0\0" + vni.to_bytes(3, "big") + b"\0" + inner
        udp = b"".join(number.to_bytes(2, "big") for number in (40000, 4789, 8 + len(payload)))
        udp += _checksum(source, target, udp + b"\0\0" + payload) + payload
        packet = b"\x60\0\0\0" + len(udp).to_bytes(2, "big") + bytes([UDP, 64]) + source.packed + target.packed + udp
        self._socket.send(bytes.fromhex(mac.replace(":", "")) + b"\x02\0\0\0\0\x99\x86\xdd" + packet)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def service(raw: bytes) -> str:
    """Return the kind of a frame: protocol and lower port, which is the service's ("tcp 2379"), "icmp", or "0x0806"."""
    kind = int.from_bytes(raw[12:14], "big")
    if kind not in (ETH_P_IP, ETH_P_IPV6):
        return f"{kind:#06x}"
    protocol, at = (raw[23], 34) if kind == ETH_P_IP else (raw[20], 54)
    name = PROTOCOLS.get(protocol, str(protocol))
    if name not in ("tcp", "udp"):
        return name
    return f"{name} {min(int.from_bytes(raw[start : start + 2], 'big') for start in (at, at + 2))}"


def _port(raw: bytes) -> int:
    kind = int.from_bytes(raw[12:14], "big")
    if kind == ETH_P_IP and raw[23] == UDP:
        return int.from_bytes(raw[36:38], "big")
    return int.from_bytes(raw[56:58], "big") if kind == ETH_P_IPV6 and raw[20] == UDP else 0


def _checksum(source: IPv6Address, target: IPv6Address, udp: bytes) -> bytes:
    """Return the checksum of UDP with the head of IPv6 (RFC 8200, section 8.1)."""
    data = source.packed + target.packed + len(udp).to_bytes(4, "big") + b"\0\0\0\x11" + udp + bytes(len(udp) % 2)
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ((~total & 0xFFFF) or 0xFFFF).to_bytes(2, "big")
