"""A line about a packet: addresses, ports, flags and length, from its headers. Anything may be in a packet."""

import struct
from ipaddress import ip_address
from typing import Any, NamedTuple

from cli.commands.ports import joined

_ARP, _IPV4, _IPV6, _VLAN = 0x0806, 0x0800, 0x86DD, 0x8100  # EtherTypes
_WITH_PORTS = {6: "tcp", 17: "udp", 132: "sctp"}
_OTHERS = {1: "icmp", 58: "icmpv6", 2: "igmp", 47: "gre", 50: "esp"}
_EXTENSIONS = {0, 43, 60}  # headers between IPv6 and the payload: hop-by-hop, routing, destination (RFC 8200)
_FRAGMENT = 44
_FLAGS = "FSRP.UEW"  # as tcpdump writes them; the dot is ACK
_ICMP = {0: "echo reply", 3: "unreachable", 5: "redirect", 8: "echo request", 11: "time exceeded"}
_ICMPV6 = {
    1: "unreachable",
    2: "packet too big",
    3: "time exceeded",
    128: "echo request",
    129: "echo reply",
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbour solicitation",
    136: "neighbour advertisement",
    143: "multicast report",
}


class Summary(NamedTuple):
    """The headers of a packet; ports are None where there are none, ``more`` is flags or a kind of message."""

    kind: str
    source: str = ""
    source_port: int | None = None
    destination: str = ""
    destination_port: int | None = None
    more: str = ""


def summary(data: bytes) -> Summary:
    """Return what a packet with its Ethernet header is; one that ends early is "short"."""
    try:
        return _ethernet(data)
    except (struct.error, IndexError, ValueError):
        return Summary("short")


def as_words(found: Summary) -> str:
    """Return a summary for people."""
    ends = [
        address if port is None else joined(address, port)
        for address, port in ((found.source, found.source_port), (found.destination, found.destination_port))
        if address
    ]
    return " ".join(filter(None, [found.kind, " > ".join(ends), found.more]))


def as_data(found: Summary) -> dict[str, Any]:
    """Return a summary for scripts."""
    return {
        "kind": found.kind,
        "from": found.source,
        "from_port": found.source_port,
        "to": found.destination,
        "to_port": found.destination_port,
        "more": found.more,
    }


def _ethernet(data: bytes) -> Summary:
    (kind,) = struct.unpack_from(">H", data, 12)
    begin = 14
    if kind == _VLAN:
        (kind,) = struct.unpack_from(">H", data, 16)
        begin = 18
    if kind == _ARP:
        return _arp(data[begin:])
    if kind == _IPV4:
        return _ipv4(data[begin:])
    if kind == _IPV6:
        return _ipv6(data[begin:])
    return Summary(f"ethertype 0x{kind:04x}", data[6:12].hex(":"), None, data[:6].hex(":"))


def _arp(data: bytes) -> Summary:
    (operation,) = struct.unpack_from(">H", data, 6)
    source, target = (str(ip_address(data[first : first + 4])) for first in (14, 24))
    more = "question" if operation == 1 else f"answer {data[8:14].hex(':')}"
    return Summary("arp", source, None, target, None, more)


def _ipv4(data: bytes) -> Summary:
    source, destination = (str(ip_address(data[first : first + 4])) for first in (12, 16))
    (offset,) = struct.unpack_from(">H", data, 6)
    return _payload(data[9], (source, destination), data[(data[0] & 15) * 4 :], first=not offset & 0x1FFF)


def _ipv6(data: bytes) -> Summary:
    source, destination = (str(ip_address(data[first : first + 16])) for first in (8, 24))
    following, begin, first = data[6], 40, True
    while following in _EXTENSIONS or following == _FRAGMENT:
        if following == _FRAGMENT:
            (offset,) = struct.unpack_from(">H", data, begin + 2)
            following, begin, first = data[begin], begin + 8, not offset >> 3
        else:
            following, begin = data[begin], begin + 8 * (data[begin + 1] + 1)
    return _payload(following, (source, destination), data[begin:], first=first)


def _payload(protocol: int, ends: tuple[str, str], data: bytes, *, first: bool) -> Summary:
    kind = _WITH_PORTS.get(protocol) or _OTHERS.get(protocol, f"protocol {protocol}")
    if not first:
        return Summary(kind, ends[0], None, ends[1], None, "fragment")
    if protocol in _WITH_PORTS:
        source, destination = struct.unpack_from(">HH", data)
        flags = f"[{_tcp_flags(data[13])}]" if kind == "tcp" else ""
        return Summary(kind, ends[0], source, ends[1], destination, flags)
    names = {"icmp": _ICMP, "icmpv6": _ICMPV6}.get(kind)
    return Summary(kind, ends[0], None, ends[1], None, names.get(data[0], f"type {data[0]}") if names else "")


def _tcp_flags(raw: int) -> str:
    """Return the flags in tcpdump's letters and order: S, F, P, R first, the dot of ACK last."""
    letters = [letter for bit, letter in enumerate(_FLAGS) if raw >> bit & 1]
    return "".join(sorted(letters, key=lambda letter: letter == ".")) or "none"
