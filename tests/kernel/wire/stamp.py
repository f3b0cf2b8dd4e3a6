"""Which frame of the table it is that somebody hears: a number at a place that survives the way.

Netfilter on a bridge cuts off what stands behind an IP packet, puts fragments together and takes them apart again; the
kernel takes a VLAN tag off. So a number stands in the header of IPv4 (identification) and of IPv6 (flow label), with a
type of service that nobody else has, and behind all other frames. An answer may have the same type of service, but
comes with fewer hops to live. Of a datagram in fragments only the first is marked:
it is heard if its first fragment is, or if the whole is.
"""

import struct

from tests.kernel.wire.packets import IPV4, IPV6, SHORT, checksum, summed

MAGIC, SERVICE = b"\xa7PyN", 0xA4
LIFE, HOPS = b"\xc9", b"\xff"  # no kernel begins IPv4 with 201 hops, and neighbour discovery wants 255
TAGS = (0x8100, 0x88A8)


def _network(frame: bytes) -> tuple[int, int]:
    """Return EtherType and offset of what VLAN tags wrap."""
    at = 12
    while (kind := int.from_bytes(frame[at : at + 2], "big")) in TAGS:
        at += 4
    return kind, at + 2


def stamped(parts: list[bytes], number: int) -> list[bytes]:
    """Return the frames of a datagram with its number, 16 bits, in them."""
    return [_marked(part, number, first=at == 0) for at, part in enumerate(parts)]


def _marked(frame: bytes, number: int, *, first: bool) -> bytes:
    kind, at = _network(frame)
    if kind == IPV4 and len(frame) >= at + 20:
        header = frame[at : at + 1] + bytes([SERVICE * first]) + frame[at + 2 : at + 4] + struct.pack("!H", number)
        header += frame[at + 6 : at + 8] + LIFE + frame[at + 9 : at + 20]
        end = 4 * (frame[at] & 15)
        whole = header + frame[at + 20 : at + end]
        right = checksum(frame[at : at + max(20, end)]) == 0
        whole = summed(whole[:10] + bytes(2) + whole[12:], 10) if right else whole
        return frame[:at] + whole + frame[at + len(whole) :]
    if kind == IPV6 and len(frame) >= at + 40:
        word = int.from_bytes(frame[at : at + 4], "big") & 0xF0000000 | (SERVICE << 20 | number) * first
        return frame[:at] + struct.pack("!I", word) + frame[at + 4 : at + 7] + HOPS + frame[at + 8 :]
    return frame + MAGIC + struct.pack("!H", number) if first else frame + bytes(SHORT)


def number_of(frame: bytes) -> int | None:
    """Return the number that a frame was stamped with, or nothing if it is none of the table's."""
    kind, at = _network(frame)
    if kind == IPV4 and frame[at + 1 : at + 2] == bytes([SERVICE]) and frame[at + 8 : at + 9] == LIFE:
        return int.from_bytes(frame[at + 4 : at + 6], "big")
    word = int.from_bytes(frame[at : at + 4], "big")
    if kind == IPV6 and word >> 20 & 0xFF == SERVICE and frame[at + 7 : at + 8] == HOPS:
        return word & 0xFFFF
    mark = frame.rfind(MAGIC)
    return int.from_bytes(frame[mark + 4 : mark + 6], "big") if mark >= 0 else None
