"""Reads the headers of a packet, as far as people need to recognise it."""

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address

from netlink.ip import Address

ETHER_IPV4, ETHER_ARP, ETHER_IPV6 = 0x0800, 0x0806, 0x86DD  # linux/if_ether.h
_NAMES = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}  # IANA's numbers
_EXTENSIONS = {0, 43, 60}  # IPv6 headers with a length in their second byte: hop-by-hop, routing, destination options
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
_WITH_PORTS = {6, 17, 132}


@dataclass(frozen=True, slots=True)
class Headers:
    """What a packet says of itself: ``protocol`` is "tcp", "icmp", "arp" or a number; ports are 0 where it has none.

    ``detail`` has flags of TCP, or type and code of ICMP.
    """

    protocol: str
    source: Address | None = None
    target: Address | None = None
    source_port: int = 0
    target_port: int = 0
    detail: str = ""


def read_headers(ether_type: int, data: bytes) -> Headers:
    """Read a packet that begins with the header of the network layer; a header that is cut off is left out."""
    if ether_type == ETHER_IPV4 and len(data) >= 20:
        first = not int.from_bytes(data[6:8], "big") & 0x1FFF
        rest = data[(data[0] & 15) * 4 :] if first else b""
        return read_transport(data[9], rest, ip_address(data[12:16]), ip_address(data[16:20]))
    if ether_type == ETHER_IPV6 and len(data) >= 40:
        protocol, rest = data[6], data[40:]
        while protocol in _EXTENSIONS and len(rest) >= 8:
            protocol, rest = rest[0], rest[8 + rest[1] * 8 :]
        return read_transport(protocol, rest, ip_address(data[8:24]), ip_address(data[24:40]))
    if ether_type == ETHER_ARP and len(data) >= 28:
        kind = {1: "request", 2: "reply"}.get(int.from_bytes(data[6:8], "big"), "")
        return Headers("arp", ip_address(data[14:18]), ip_address(data[24:28]), detail=kind)
    return Headers({ETHER_IPV4: "ip", ETHER_IPV6: "ip6", ETHER_ARP: "arp"}.get(ether_type, f"0x{ether_type:04x}"))


def read_transport(protocol: int, data: bytes, source: Address, target: Address) -> Headers:
    """Read the header behind that of IP."""
    name = _NAMES.get(protocol, str(protocol))
    if protocol in _WITH_PORTS and len(data) >= 4:
        source_port, target_port = struct.unpack_from("!HH", data)
        flags = data[13] if protocol == socket.IPPROTO_TCP and len(data) >= 14 else 0
        words = " ".join(word for bit, word in enumerate(_FLAGS) if flags >> bit & 1)
        return Headers(name, source, target, source_port, target_port, words)
    if protocol in {socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6} and len(data) >= 2:
        return Headers(name, source, target, detail=f"type {data[0]} code {data[1]}")
    return Headers(name, source, target)
