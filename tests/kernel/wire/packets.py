"""Frames as bytes, by pure functions: addresses are packed, lengths and checksums right unless a caller breaks them."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD  # linux/if_ether.h
ICMP, IGMP, TCP, UDP, ICMPV6 = 1, 2, 6, 17, 58  # IANA's numbers, as all below
SHORT = 46  # bytes that a frame carries at least, padding included


def ethernet(to: bytes, source: bytes, kind: int, payload: bytes) -> bytes:
    """Return a frame."""
    return to + source + struct.pack("!H", kind) + payload


def arp(operation: int, sender: tuple[bytes, bytes], target: tuple[bytes, bytes]) -> bytes:
    """Return a message of ARP (RFC 826) between two pairs of MAC and IPv4 address."""
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + b"".join((*sender, *target))


def checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071; over what has a right one in it, it is 0."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def summed(data: bytes, at: int = 2, pseudo: bytes = b"") -> bytes:
    """Return ``data`` with its checksum in the two bytes ``at``."""
    return data[:at] + struct.pack("!H", checksum(pseudo + data)) + data[at + 2 :]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a packet says that it comes from, and where it goes."""

    source: bytes
    to: bytes


def ipv4(route: Route, protocol: int, payload: bytes, options: bytes = b"", fragment: int = 0) -> bytes:
    """Return a packet; ``fragment`` are the 16 bits with flags and offset, ``options`` are a multiple of four bytes."""
    words, length = 5 + len(options) // 4, 20 + len(options) + len(payload)
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, length, 0, fragment, 64, protocol, 0)
    return summed(head + route.source + route.to + options, 10) + payload


def ipv6(route: Route, following: int, payload: bytes) -> bytes:
    """Return a packet."""
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 255) + route.source + route.to + payload


def udp(source: int, port: int, body: bytes = b"pynet") -> bytes:
    """Return a datagram without a checksum."""
    return struct.pack("!HHHH", source, port, 8 + len(body), 0) + body


def tcp(port: int) -> bytes:
    """Return the first segment of a connection."""
    return struct.pack("!HHIIBBHHH", 7, port, 0, 0, 0x50, 2, 1024, 0, 0)


def icmp(kind: int, body: bytes = b"pynet", code: int = 0) -> bytes:
    """Return a message of ICMP (RFC 792) or of IGMP, which begin alike."""
    return summed(struct.pack("!BBH", kind, code, 0) + body)


def icmpv6(route: Route, kind: int, body: bytes = bytes(20)) -> bytes:
    """Return a message of ICMPv6 (RFC 4443)."""
    message = struct.pack("!BBH", kind, 0, 0) + body
    return summed(message, pseudo=route.source + route.to + struct.pack("!II", len(message), ICMPV6))


def solicitation(target: bytes, mac: bytes = b"") -> bytes:
    """Return the body of a neighbour solicitation (RFC 4861); one without ``mac`` looks for duplicates."""
    return bytes(4) + target + (b"\1\1" + mac if mac else b"")


def advertisement(target: bytes, mac: bytes) -> bytes:
    """Return the body of a neighbour advertisement that wants to override what is known (RFC 4861)."""
    return b"\x20\0\0\0" + target + b"\2\1" + mac


def router_advertisement(prefix: bytes, mac: bytes) -> bytes:
    """Return the body of an advertisement of a default route and a /64 for 30 minutes (RFC 4861)."""
    head = struct.pack("!BBHII", 64, 0, 1800, 0, 0)
    return head + b"\1\1" + mac + struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 1800, 1800, 0) + prefix


def redirect(target: bytes, to: bytes, mac: bytes) -> bytes:
    """Return the body of a redirect of ``to`` by way of ``target`` (RFC 4861)."""
    return bytes(4) + target + to + b"\2\1" + mac


@dataclass(frozen=True, slots=True)
class Header:
    """An extension header of IPv6 (RFC 8200): its number, and what follows its first byte."""

    number: int
    rest: bytes


HOP_BY_HOP, OPTIONS = Header(0, b"\0\1\4" + bytes(4)), Header(60, b"\0\1\4" + bytes(4))
ALERT = Header(0, b"\0\5\2\0\0\1\0")  # of MLD (RFC 2710)
ROUTING, SEGMENTS = Header(43, b"\2\0\0" + bytes(20)), Header(43, b"\2\4\0\0\0\0\0" + bytes(16))
AUTHENTICATION = Header(51, b"\4\0\0" + bytes(20))
MOBILITY, HIP, SHIM6 = (Header(number, b"\0\0\0" + bytes(4)) for number in (135, 139, 140))
LONGER = Header(60, b"\x40\1\4" + bytes(4))  # says that it has 520 bytes


def fragment(number: int, offset: int = 0, *, more: bool = False) -> Header:
    """Return a fragment header; ``offset`` is in bytes, one with neither offset nor more is an atomic fragment."""
    return Header(44, b"\0" + struct.pack("!HI", offset | more, number))


def chain(headers: Iterable[Header], following: int, payload: bytes) -> tuple[int, bytes]:
    """Return the number and the bytes of ``headers`` with ``payload`` behind them."""
    for header in reversed(tuple(headers)):
        following, payload = header.number, bytes([following]) + header.rest + payload
    return following, payload
