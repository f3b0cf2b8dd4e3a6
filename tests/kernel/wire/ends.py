"""The players in a table of frames, and short names for their frames."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from plugin.firewall.elements import link_local
from tests.kernel.wire import packets as p

Parts = list[bytes]  # the frames of one datagram, first fragment first
A_MAC = re.compile("([0-9a-f]{2}:){5}[0-9a-f]{2}")
PORT7 = p.udp(7, 7)


def packed(address: str) -> bytes:
    """Return the bytes of an address or of a MAC."""
    return bytes.fromhex(address.replace(":", "")) if A_MAC.fullmatch(address) else ip_address(address).packed


@dataclass(frozen=True, slots=True)
class Station:
    """The addresses of somebody on the network, packed."""

    mac: bytes
    v4: bytes
    v6: bytes
    local: bytes

    @property
    def pair(self) -> tuple[bytes, bytes]:
        """What ARP says of it."""
        return self.mac, self.v4


def station(mac: str, v4: str, v6: str, local: str = "") -> Station:
    """Return somebody; the link-local address is formed from the MAC unless one is given."""
    return Station(packed(mac), packed(v4), packed(v6), packed(local or str(link_local(mac))))


# Somebody that the network has not given to anybody.
NOBODY = station("02:00:00:00:00:99", "10.9.0.77", "fd00:9::77")


@dataclass(frozen=True, slots=True)
class Ends:
    """``me`` sends to ``to``, and would like to be ``other`` or ``gateway``; ``number`` is that of the datagram."""

    me: Station
    other: Station
    gateway: Station
    to: Station
    number: int

    def frame(self, kind: int, payload: bytes, source: bytes = b"") -> bytes:
        """Return a frame."""
        return p.ethernet(self.to.mac, source or self.me.mac, kind, payload)

    def arp(self, operation: int, sender: tuple[bytes, bytes], target: bytes = b"", source: bytes = b"") -> bytes:
        """Return a message of ARP about ``target``, by default the receiver."""
        message = p.arp(operation, sender, (bytes(6), target or self.to.v4))
        return self.frame(p.ARP, message, source)

    def ip4(self, protocol: int, payload: bytes, source: bytes = b"", options: bytes = b"") -> bytes:
        """Return an IPv4 packet."""
        return self.frame(p.IPV4, p.ipv4(p.Route(source or self.me.v4, self.to.v4), protocol, payload, options))

    def pieces4(self, protocol: int, payload: bytes, split: int, source: bytes = b"") -> Parts:
        """Return an IPv4 packet in two fragments."""
        route = p.Route(source or self.me.v4, self.to.v4)
        first = p.ipv4(route, protocol, payload[:split], fragment=0x2000)
        return [
            self.frame(p.IPV4, first),
            self.frame(p.IPV4, p.ipv4(route, protocol, payload[split:], b"", split // 8)),
        ]

    def ip6(self, following: int, payload: bytes, source: bytes = b"", behind: Iterable[p.Header] = ()) -> bytes:
        """Return an IPv6 packet, with extension headers before the payload."""
        following, payload = p.chain(behind, following, payload)
        return self.frame(p.IPV6, p.ipv6(p.Route(source or self.me.v6, self.to.v6), following, payload))

    def icmp6(self, kind: int, body: bytes = bytes(20), source: bytes = b"", behind: Iterable[p.Header] = ()) -> bytes:
        """Return a message of ICMPv6."""
        message = p.icmpv6(p.Route(source or self.me.v6, self.to.v6), kind, body)
        return self.ip6(p.ICMPV6, message, source, behind)

    def pieces6(self, following: int, payload: bytes, split: int, source: bytes = b"") -> Parts:
        """Return an IPv6 packet in two fragments."""
        first, second = p.fragment(self.number, more=True), p.fragment(self.number, split)
        return [
            self.ip6(following, payload[:split], source, [first]),
            self.ip6(following, payload[split:], source, [second]),
        ]

    def icmp6_pieces(self, kind: int, body: bytes, split: int, source: bytes = b"") -> Parts:
        """Return a message of ICMPv6 in two fragments."""
        return self.pieces6(p.ICMPV6, p.icmpv6(p.Route(source or self.me.v6, self.to.v6), kind, body), split, source)


def bent(frame: bytes, at: int, value: bytes) -> bytes:
    """Return ``frame`` with other bytes ``at`` an offset behind the Ethernet header; the checksum is right again."""
    at += 14
    frame = frame[:at] + value + frame[at + len(value) :]
    if frame[12:14] == b"\x08\0":
        frame = frame[:14] + p.summed(frame[14:24] + bytes(2) + frame[26:34], 10) + frame[34:]
    return frame
