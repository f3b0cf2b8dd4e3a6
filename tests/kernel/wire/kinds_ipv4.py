"""Kinds of IPv4 packets."""

from collections.abc import Callable

from tests.kernel.wire import packets as p
from tests.kernel.wire.ends import NOBODY, PORT7, Ends, bent, packed
from tests.kernel.wire.kind import FILTERED, SNOOPED, Build, Kind, foreign, harmless, own, wrong

ANY = bytes(4)
DISCOVER, OFFER = p.udp(68, 67, bytes(240)), p.udp(67, 68, bytes(240))
ALERT = b"\x94\4\0\0"  # the option that routers shall look (RFC 2113)
OTHER_SOURCES = {
    "nobody's address": packed("10.9.0.77"), "an address outside": packed("198.51.100.1"),
    "an address of another network": packed("10.8.0.2"), "the network's broadcast": packed("10.9.0.255"),
    "the network's own address": packed("10.9.0.0"), "169.254.1.1": packed("169.254.1.1"),
    "240.0.0.1": packed("240.0.0.1"),
}  # fmt: skip
NO_SOURCES = {name: packed(name) for name in ["127.0.0.1", "127.8.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255"]}
NO_ROUTER = "only a router or a group's members read it, and it leads nobody anywhere"
OWN_SOURCE = "what is inside is for the receiver to accept, from a sender that it knows"
ANY_GROUP = "a bridge may send it all groups, and it could join each"
STACK_DROPS = "the receiver's stack drops it"


def _udp(source: Callable[[Ends], bytes]) -> Build:
    return lambda e: e.ip4(p.UDP, PORT7, source(e))


def _own4(e: Ends) -> bytes:
    return e.ip4(p.UDP, PORT7)


def _of_protocol(number: int) -> Build:
    return lambda e: e.ip4(number, bytes(24))


def _igmp(kind: int, body: bytes = packed("239.1.1.1")) -> Build:
    return lambda e: e.ip4(p.IGMP, p.icmp(kind, body), options=ALERT)


SOURCES = (
    own("IPv4 UDP", _own4),
    own("IPv4 TCP", lambda e: e.ip4(p.TCP, p.tcp(7))),
    own("IPv4 echo request", lambda e: e.ip4(p.ICMP, p.icmp(8))),
    own("IPv4 unreachable", lambda e: e.ip4(p.ICMP, p.icmp(3, bytes(4) + e.ip4(p.UDP, PORT7)[14:]))),
    wrong("IPv4 of a neighbour", _udp(lambda e: e.other.v4)),
    wrong("IPv4 of the gateway", _udp(lambda e: e.gateway.v4)),
    wrong("IPv4 TCP of a neighbour", lambda e: e.ip4(p.TCP, p.tcp(7), e.other.v4)),
    wrong("IPv4 echo request of the gateway", lambda e: e.ip4(p.ICMP, p.icmp(8), e.gateway.v4)),
    wrong("IPv4 redirect of the gateway", lambda e: e.ip4(p.ICMP, p.icmp(5, e.me.v4 + _own4(e)[14:]), e.gateway.v4)),
    *(foreign(f"IPv4 of {name}", lambda e, s=s: e.ip4(p.UDP, PORT7, s)) for name, s in OTHER_SOURCES.items()),  # type: ignore[misc]
    *(wrong(f"IPv4 of {name}", lambda e, s=s: e.ip4(p.UDP, PORT7, s)) for name, s in NO_SOURCES.items()),  # type: ignore[misc]
    foreign("IPv4 of 0.0.0.0", _udp(lambda _: ANY)),
    foreign("IPv4 TCP of 0.0.0.0", lambda e: e.ip4(p.TCP, p.tcp(7), ANY)),
    foreign("IPv4 IGMP report of 0.0.0.0", lambda e: e.ip4(p.IGMP, p.icmp(0x16, NOBODY.v4), ANY)),
    wrong("IPv4 of a neighbour with options", lambda e: e.ip4(p.UDP, PORT7, e.other.v4, b"\1\1\1\1")),
)
DHCP = (
    own("DHCP discover", lambda e: e.ip4(p.UDP, DISCOVER, ANY)),
    own("DHCP request of its own address", lambda e: e.ip4(p.UDP, DISCOVER)),
    wrong("DHCP offer", lambda e: e.ip4(p.UDP, OFFER)),
    wrong("DHCP offer from port 1067", lambda e: e.ip4(p.UDP, p.udp(1067, 68))),
    wrong("DHCP offer from port 68", lambda e: e.ip4(p.UDP, p.udp(68, 68))),
    wrong("DHCP offer of 0.0.0.0", lambda e: e.ip4(p.UDP, OFFER, ANY)),
    wrong("DHCP offer of 0.0.0.0 from port 68", lambda e: e.ip4(p.UDP, p.udp(68, 68), ANY)),
    wrong("DHCP offer of a neighbour", lambda e: e.ip4(p.UDP, OFFER, e.other.v4)),
    wrong("DHCP offer of the gateway", lambda e: e.ip4(p.UDP, OFFER, e.gateway.v4)),
    wrong("DHCP offer of a server outside", lambda e: e.ip4(p.UDP, OFFER, packed("198.51.100.1"))),
    wrong("DHCP offer behind options", lambda e: e.ip4(p.UDP, OFFER, options=b"\1" * 40)),
    wrong("DHCP offer in two fragments", lambda e: e.pieces4(p.UDP, OFFER, 128)),
    wrong("DHCP offer whose first fragment has only ports", lambda e: e.pieces4(p.UDP, OFFER, 8)),
    wrong("DHCP offer from port 1067 in two fragments", lambda e: e.pieces4(p.UDP, p.udp(1067, 68, bytes(64)), 8)),
)
GROUPS = (
    own("IGMPv1 report", _igmp(0x12)),
    own("IGMPv2 report", _igmp(0x16)),
    own("IGMPv3 report", _igmp(0x22, b"\0\0\0\1\4\0\0\0" + packed("239.1.1.1"))),
    own("IGMP leave", _igmp(0x17)),
    harmless("IGMP router advertisement", _igmp(0x30, b""), ANY_GROUP, SNOOPED),
    harmless("PIM hello", lambda e: e.ip4(103, p.icmp(0x20, bytes(4))), ANY_GROUP),
    harmless("DVMRP probe", _igmp(0x13, b"\0\0\xff\3"), ANY_GROUP),
    wrong("IGMP query", _igmp(0x11, ANY)),
    wrong("IGMPv3 query", _igmp(0x11, bytes(8))),
    wrong("IGMP query without the alert", lambda e: e.ip4(p.IGMP, p.icmp(0x11, ANY))),
    wrong("IGMP query of a neighbour", lambda e: e.ip4(p.IGMP, p.icmp(0x11, ANY), e.other.v4)),
    wrong("IGMP query of 0.0.0.0", lambda e: e.ip4(p.IGMP, p.icmp(0x11, ANY), ANY)),
    wrong("IGMP query in two fragments", lambda e: e.pieces4(p.IGMP, p.icmp(0x11, bytes(8)), 8)),
)
PROTOCOLS = (
    harmless(
        "IPv4 redirect", lambda e: e.ip4(p.ICMP, p.icmp(5, e.me.v4 + _own4(e)[14:])), "it is not from the gateway"
    ),
    harmless("IPv4 router discovery", lambda e: e.ip4(p.ICMP, p.icmp(9, b"\1\2\7\x08" + e.me.v4 + ANY)), STACK_DROPS),
    harmless("IPv4 mask reply", lambda e: e.ip4(p.ICMP, p.icmp(18, bytes(8))), STACK_DROPS),
    *(
        harmless(f"IPv4 protocol {name}", _of_protocol(number), OWN_SOURCE)
        for name, number in {
            "IPIP": 4,
            "6in4": 41,
            "GRE": 47,
            "ESP": 50,
            "AH": 51,
            "SCTP": 132,
            "L2TP": 115,
            "253": 253,
        }.items()
    ),
    *(
        harmless(f"IPv4 protocol {name}", _of_protocol(number), NO_ROUTER)
        for name, number in {"OSPF": 89, "EIGRP": 88, "VRRP": 112}.items()
    ),
    harmless("mDNS", lambda e: e.ip4(p.UDP, p.udp(5353, 5353)), "names are for the receiver to believe"),
    harmless(
        "IPv4 record route",
        lambda e: e.ip4(p.UDP, PORT7, options=b"\7\7\4\0\0\0\0\0"),
        "it asks for nothing that others give",
    ),
    harmless("IPv4 source route", lambda e: e.ip4(p.UDP, PORT7, options=b"\x83\7\4" + e.other.v4 + b"\0"), STACK_DROPS),
    harmless("UDP-Lite to port 68", lambda e: e.ip4(136, p.udp(67, 68)), "DHCP is UDP"),
)
FRAGMENTS = (
    own("IPv4 UDP in two fragments", lambda e: e.pieces4(p.UDP, p.udp(7, 7, bytes(64)), 32)),
    own("IPv4 TCP in two fragments", lambda e: e.pieces4(p.TCP, p.tcp(7) + bytes(64), 24)),
    harmless(
        "IPv4 later fragment alone", lambda e: e.pieces4(p.UDP, OFFER, 32)[1:], "nobody puts it together", FILTERED
    ),
    wrong("IPv4 in two fragments of a neighbour", lambda e: e.pieces4(p.UDP, p.udp(7, 7, bytes(64)), 32, e.other.v4)),
    wrong("IPv4 later fragment of a neighbour", lambda e: e.pieces4(p.UDP, OFFER, 32, e.other.v4)[1:]),
    wrong("IPv4 later fragment of the gateway", lambda e: e.pieces4(p.UDP, OFFER, 32, e.gateway.v4)[1:]),
    foreign(
        "IPv4 in two fragments of an address outside", lambda e: e.pieces4(p.UDP, PORT7 + bytes(64), 32, NOBODY.v4)
    ),
)
UNREADABLE = (
    wrong("IPv4 of version 5", lambda e: bent(_own4(e), 0, b"\x55")),
    wrong("IPv4 of version 6", lambda e: bent(_own4(e), 0, b"\x65")),
    wrong("IPv4 with a header of 16 bytes", lambda e: bent(_own4(e), 0, b"\x44")),
    wrong("IPv4 with a header of none", lambda e: bent(_own4(e), 0, b"\x40")),
    wrong("IPv4 with a header beyond its end", lambda e: bent(_own4(e), 0, b"\x4f")),
    wrong("IPv4 longer than its frame", lambda e: bent(_own4(e), 2, b"\2\0")),
    wrong("IPv4 shorter than its header", lambda e: bent(_own4(e), 2, b"\0\x10")),
    wrong("IPv4 with a length of 0", lambda e: bent(_own4(e), 2, b"\0\0")),
    wrong("IPv4 header cut off", lambda e: _own4(e)[:24]),
    wrong("DHCP offer longer than its frame", lambda e: bent(e.ip4(p.UDP, OFFER), 2, b"\4\0")),
    wrong("IPv4 protocol 255", _of_protocol(255)),
    wrong("IPv4 longer than its frame, of a neighbour", lambda e: bent(e.ip4(p.UDP, OFFER, e.other.v4), 2, b"\4\0")),
    wrong("IPv6 called IPv4", lambda e: e.frame(p.IPV4, e.ip6(p.UDP, PORT7)[14:])),
    harmless(
        "IPv4 with a wrong checksum",
        lambda e: _own4(e)[:24] + b"\xba\xad" + _own4(e)[26:],
        STACK_DROPS,
        FILTERED,
        SNOOPED,
    ),
    harmless("IPv4 UDP cut off", lambda e: e.ip4(p.UDP, PORT7[:4]), STACK_DROPS),
    harmless("IPv4 with bytes behind it", lambda e: _own4(e) + bytes(40), STACK_DROPS),
    harmless("IPv4 with the evil bit", lambda e: bent(_own4(e), 6, b"\x80\0"), "nobody reads it"),
)
KINDS: tuple[Kind, ...] = SOURCES + DHCP + GROUPS + PROTOCOLS + FRAGMENTS + UNREADABLE
