"""Kinds of IPv6 packets, but for those of ICMPv6."""

from tests.kernel.wire import packets as p
from tests.kernel.wire.ends import PORT7, Ends, bent, packed
from tests.kernel.wire.kind import FILTERED, Build, Kind, foreign, harmless, own, wrong

ANY = bytes(16)
REQUEST, REPLY = p.udp(546, 547, bytes(40)), p.udp(547, 546, bytes(40))
OTHER_SOURCES = {
    "nobody's address": packed("fd00:9::77"), "an address outside": packed("2001:db8::1"),
    "an address of another network": packed("fd00:8::2"), "no EUI-64": packed("fe80::77"),
    "a mapped address": packed("::ffff:10.9.0.3"), "fec0::1": packed("fec0::1"),
}  # fmt: skip
NO_SOURCES = {"::1": packed("::1"), "a group": packed("ff02::1")}
OWN_SOURCE = "what is inside is for the receiver to accept, from a sender that it knows"
STACK_DROPS = "the receiver's stack drops it"
NO_KEY = "a receiver that has no key of the sender drops it"
HIDDEN = "the receiver takes what is behind it for no message of neighbour discovery"


def _own6(e: Ends) -> bytes:
    return e.ip6(p.UDP, PORT7)


def _router(e: Ends) -> bytes:
    """Return a router advertisement without what is before it."""
    route = p.Route(e.me.local, e.to.v6)
    return p.icmpv6(route, 134, p.router_advertisement(packed("2001:db8:b::"), e.me.mac))


def _behind(header: p.Header) -> Build:
    """Return a builder of a router advertisement behind a header that hides it."""
    return lambda e: e.ip6(p.ICMPV6, _router(e), e.me.local, [header])


def _udp_behind(*headers: p.Header) -> Build:
    return lambda e: e.ip6(p.UDP, PORT7, behind=headers)


def _whole(e: Ends) -> p.Header:
    return p.fragment(e.number)


SOURCES = (
    own("IPv6 UDP", _own6),
    own("IPv6 UDP from its link-local address", lambda e: e.ip6(p.UDP, PORT7, e.me.local)),
    own("IPv6 TCP", lambda e: e.ip6(p.TCP, p.tcp(7))),
    wrong("IPv6 of a neighbour", lambda e: e.ip6(p.UDP, PORT7, e.other.v6)),
    wrong("IPv6 of a neighbour's link-local address", lambda e: e.ip6(p.UDP, PORT7, e.other.local)),
    wrong("IPv6 of the gateway", lambda e: e.ip6(p.UDP, PORT7, e.gateway.v6)),
    wrong("IPv6 TCP of the gateway", lambda e: e.ip6(p.TCP, p.tcp(7), e.gateway.v6)),
    wrong("IPv6 of a neighbour behind hop-by-hop", lambda e: e.ip6(p.UDP, PORT7, e.other.v6, [p.HOP_BY_HOP])),
    *(wrong(f"IPv6 of {name}", lambda e, s=s: e.ip6(p.UDP, PORT7, s)) for name, s in NO_SOURCES.items()),  # type: ignore[misc]
    *(foreign(f"IPv6 of {name}", lambda e, s=s: e.ip6(p.UDP, PORT7, s)) for name, s in OTHER_SOURCES.items()),  # type: ignore[misc]
    foreign("IPv6 UDP of ::", lambda e: e.ip6(p.UDP, PORT7, ANY)),
    foreign("IPv6 TCP of ::", lambda e: e.ip6(p.TCP, p.tcp(7), ANY)),
)
DHCP = (
    own("DHCPv6 request", lambda e: e.ip6(p.UDP, REQUEST, e.me.local)),
    wrong("DHCPv6 reply", lambda e: e.ip6(p.UDP, REPLY, e.me.local)),
    wrong("DHCPv6 reply of its global address", lambda e: e.ip6(p.UDP, REPLY)),
    wrong("DHCPv6 reply from port 9999", lambda e: e.ip6(p.UDP, p.udp(9999, 546))),
    wrong("DHCPv6 reply from port 546", lambda e: e.ip6(p.UDP, p.udp(546, 546))),
    wrong("DHCPv6 reply of the gateway", lambda e: e.ip6(p.UDP, REPLY, e.gateway.v6)),
    wrong("DHCPv6 reply behind hop-by-hop", lambda e: e.ip6(p.UDP, REPLY, behind=[p.HOP_BY_HOP])),
    wrong("DHCPv6 reply behind options", lambda e: e.ip6(p.UDP, REPLY, behind=[p.OPTIONS] * 3)),
    wrong("DHCPv6 reply behind a routing header", lambda e: e.ip6(p.UDP, REPLY, behind=[p.ROUTING])),
    harmless("DHCPv6 reply behind AH", lambda e: e.ip6(p.UDP, REPLY, behind=[p.AUTHENTICATION]), NO_KEY),
    wrong("DHCPv6 reply in an atomic fragment", lambda e: e.ip6(p.UDP, REPLY, behind=[_whole(e)])),
    wrong("DHCPv6 reply in two fragments", lambda e: e.pieces6(p.UDP, REPLY, 8)),
    wrong("DHCPv6 reply in two fragments, of ::", lambda e: e.pieces6(p.UDP, REPLY, 8, ANY)),
)


def _empty(e: Ends) -> bytes:
    return e.ip6(p.UDP, b"", behind=[p.fragment(e.number, more=True)])


HEADERS = (
    *(
        harmless(f"IPv6 UDP behind {name}", _udp_behind(*headers), NO_KEY if name == "AH" else OWN_SOURCE)
        for name, headers in {
            "hop-by-hop": (p.HOP_BY_HOP,),
            "options": (p.OPTIONS,),
            "ten options": (p.OPTIONS,) * 10,
            "AH": (p.AUTHENTICATION,),
            "a routing header": (p.ROUTING,),
            "a segment routing header": (p.SEGMENTS,),
            "four kinds of headers": (p.HOP_BY_HOP, p.OPTIONS, p.ROUTING, p.OPTIONS),
        }.items()
    ),
    *(
        harmless(f"router advertisement behind {name}", _behind(header), HIDDEN)
        for name, header in {
            "mobility": p.MOBILITY,
            "HIP": p.HIP,
            "shim6": p.SHIM6,
            "no next header": p.Header(59, bytes(7)),
            "ESP": p.Header(50, bytes(7)),
            "protocol 253": p.Header(253, bytes(7)),
            "protocol 254": p.Header(254, bytes(7)),
            "protocol 200": p.Header(200, bytes(7)),
        }.items()
    ),
    *(
        harmless(f"IPv6 protocol {name}", lambda e, number=number: e.ip6(number, bytes(24)), OWN_SOURCE)  # type: ignore[misc]
        for name, number in {
            "IPIP": 4,
            "6in6": 41,
            "GRE": 47,
            "SCTP": 132,
            "OSPF": 89,
            "PIM": 103,
            "VRRP": 112,
            "ICMP": 1,
        }.items()
    ),
    harmless(
        "router advertisement in 6in6",
        lambda e: e.ip6(41, p.ipv6(p.Route(e.me.local, e.to.v6), 58, _router(e))),
        HIDDEN,
    ),
)
FRAGMENTS = (
    own("IPv6 UDP in two fragments", lambda e: e.pieces6(p.UDP, p.udp(7, 7, bytes(64)), 32)),
    own("IPv6 TCP in two fragments", lambda e: e.pieces6(p.TCP, p.tcp(7) + bytes(64), 24)),
    harmless("IPv6 UDP in an atomic fragment", lambda e: e.ip6(p.UDP, PORT7, behind=[_whole(e)]), OWN_SOURCE),
    harmless(
        "IPv6 later fragment alone", lambda e: e.pieces6(p.UDP, REPLY, 32)[1:], "nobody puts it together", FILTERED
    ),
    wrong("IPv6 in two fragments of a neighbour", lambda e: e.pieces6(p.UDP, p.udp(7, 7, bytes(64)), 32, e.other.v6)),
    wrong("IPv6 later fragment of a neighbour", lambda e: e.pieces6(p.UDP, REPLY, 32, e.other.v6)[1:]),
    wrong("IPv6 later fragment of the gateway", lambda e: e.pieces6(p.UDP, REPLY, 32, e.gateway.v6)[1:]),
    foreign("IPv6 in two fragments of ::", lambda e: e.pieces6(p.UDP, p.udp(7, 7, bytes(64)), 32, ANY)),
    foreign("IPv6 later fragment of ::", lambda e: e.pieces6(p.UDP, REPLY, 32, ANY)[1:], FILTERED),
    wrong("first fragment that ends before its options", lambda e: _hidden(e, 8)),
    wrong("first fragment that ends between its options", lambda e: _hidden(e, 16)),
    harmless("IPv6 first fragment that is empty", _empty, STACK_DROPS),
)


def _hidden(e: Ends, split: int) -> list[bytes]:
    """Return a router advertisement behind options of which only ``split`` bytes are in the first fragment."""
    following, payload = p.chain([p.OPTIONS] * 3, p.ICMPV6, _router(e))
    return e.pieces6(following, payload, split, e.me.local)


UNREADABLE = (
    wrong("IPv6 of version 4", lambda e: bent(_own6(e), 0, b"\x46")),
    wrong("IPv6 header cut off", lambda e: _own6(e)[:34]),
    wrong("IPv6 longer than its frame", lambda e: bent(_own6(e), 4, b"\4\0")),
    wrong("DHCPv6 reply longer than its frame", lambda e: bent(e.ip6(p.UDP, REPLY), 4, b"\4\0")),
    wrong("router advertisement longer than its frame", lambda e: bent(_behind(p.HOP_BY_HOP)(e), 4, b"\4\0")),  # type: ignore[arg-type]
    harmless("IPv6 options beyond its end", _udp_behind(p.LONGER), STACK_DROPS),
    wrong("router advertisement behind options beyond its end", _behind(p.LONGER)),
    harmless("IPv6 hop-by-hop cut off", lambda e: e.ip6(0, b"\x11\0\1\4"), STACK_DROPS, FILTERED),
    wrong("IPv6 options cut off", lambda e: e.ip6(60, b"\x11")),
    harmless("IPv6 fragment header cut off", lambda e: e.ip6(44, b"\x11\0\0\0"), STACK_DROPS),
    wrong("IPv6 hop-by-hop without anything", lambda e: e.ip6(0, b"")),
    wrong("IPv6 protocol 255", lambda e: e.ip6(255, bytes(24))),
    wrong("IPv4 called IPv6", lambda e: e.frame(p.IPV6, e.ip4(p.UDP, PORT7 + bytes(40))[14:])),
    harmless("IPv6 UDP cut off", lambda e: e.ip6(p.UDP, PORT7[:4]), STACK_DROPS),
    harmless("IPv6 with bytes behind it", lambda e: _own6(e) + bytes(40), "the receiver's stack cuts them off"),
)
KINDS: tuple[Kind, ...] = SOURCES + DHCP + HEADERS + FRAGMENTS + UNREADABLE
