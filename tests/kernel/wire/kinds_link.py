"""Kinds of frames by MAC, by EtherType, and of ARP."""

from collections.abc import Callable

from tests.kernel.wire import packets as p
from tests.kernel.wire.ends import NOBODY, PORT7, Ends, bent, packed
from tests.kernel.wire.kind import TOLD, UNLAWFUL, Build, Kind, foreign, harmless, own, wrong

REQUEST, REPLY, REVERSE, INVERSE = 1, 2, 3, 8  # operations of ARP
EMPTY4 = bytes(4)
NOT_TO_BE_READ = "says nothing that a stack of today believes"


def _with_mac(mac: Callable[[Ends], bytes]) -> Build:
    """Return a builder of an own ARP message from another MAC."""
    return lambda e: e.arp(REPLY, e.me.pair, source=mac(e))


MACS = (
    wrong("MAC of a neighbour", _with_mac(lambda e: e.other.mac)),
    wrong("MAC of the gateway", _with_mac(lambda e: e.gateway.mac)),
    foreign("MAC of nobody", _with_mac(lambda _: NOBODY.mac)),
    wrong("MAC of zeros", _with_mac(lambda _: bytes(6)), UNLAWFUL),
    wrong("MAC of a group", _with_mac(lambda _: b"\1\0\x5e\0\0\1"), UNLAWFUL),
    wrong("MAC of all", _with_mac(lambda _: b"\xff" * 6), UNLAWFUL),
    wrong("IPv4 with MAC and address of a neighbour", lambda e: e.frame(p.IPV4, _other4(e), e.other.mac)),
    wrong("IPv4 with the MAC of a neighbour", lambda e: e.frame(p.IPV4, e.ip4(p.UDP, PORT7)[14:], e.other.mac)),
    wrong("IPv6 with the MAC of a neighbour", lambda e: e.frame(p.IPV6, e.ip6(p.UDP, PORT7)[14:], e.other.mac)),
    wrong("IPv6 with the MAC of the gateway", lambda e: e.frame(p.IPV6, e.ip6(p.UDP, PORT7)[14:], e.gateway.mac)),
    foreign("IPv6 with the MAC of nobody", lambda e: e.frame(p.IPV6, e.ip6(p.UDP, PORT7)[14:], NOBODY.mac)),
)


def _other4(e: Ends) -> bytes:
    return e.ip4(p.UDP, PORT7, e.other.v4)[14:]


ARPS = (
    own("ARP request", lambda e: e.arp(REQUEST, e.me.pair)),
    own("ARP reply", lambda e: e.arp(REPLY, e.me.pair)),
    own("ARP announcement", lambda e: e.arp(REQUEST, e.me.pair, e.me.v4), TOLD),
    own("ARP probe for its own address", lambda e: e.arp(REQUEST, (e.me.mac, EMPTY4), e.me.v4), TOLD),
    wrong("ARP probe for a neighbour's address", lambda e: e.arp(REQUEST, (e.me.mac, EMPTY4), e.other.v4)),
    wrong("ARP probe for the gateway's address", lambda e: e.arp(REQUEST, (e.me.mac, EMPTY4), e.gateway.v4)),
    foreign("ARP probe for nobody's address", lambda e: e.arp(REQUEST, (e.me.mac, EMPTY4), NOBODY.v4)),
    foreign("ARP probe for no address", lambda e: e.arp(REQUEST, (e.me.mac, EMPTY4), EMPTY4)),
    wrong("ARP reply for a neighbour", lambda e: e.arp(REPLY, (e.me.mac, e.other.v4))),
    wrong("ARP reply for the gateway", lambda e: e.arp(REPLY, (e.me.mac, e.gateway.v4))),
    wrong("ARP request of a neighbour", lambda e: e.arp(REQUEST, (e.me.mac, e.other.v4))),
    wrong("ARP request of the gateway", lambda e: e.arp(REQUEST, (e.me.mac, e.gateway.v4))),
    wrong("ARP announcement of a neighbour", lambda e: e.arp(REQUEST, (e.me.mac, e.other.v4), e.other.v4)),
    wrong("ARP announcement of the gateway", lambda e: e.arp(REQUEST, (e.me.mac, e.gateway.v4), e.gateway.v4)),
    foreign("ARP reply for nobody's address", lambda e: e.arp(REPLY, (e.me.mac, NOBODY.v4))),
    foreign("ARP reply for an address outside", lambda e: e.arp(REPLY, (e.me.mac, packed("198.51.100.1")))),
    foreign("ARP reply for 127.0.0.1", lambda e: e.arp(REPLY, (e.me.mac, packed("127.0.0.1")))),
    foreign("ARP reply for 255.255.255.255", lambda e: e.arp(REPLY, (e.me.mac, b"\xff" * 4))),
    wrong("ARP with the pair of a neighbour inside", lambda e: e.arp(REPLY, e.other.pair)),
    wrong("ARP with the pair of the gateway inside", lambda e: e.arp(REPLY, e.gateway.pair)),
    wrong("ARP with a neighbour's MAC inside", lambda e: e.arp(REPLY, (e.other.mac, e.me.v4))),
    foreign("ARP with nobody's MAC inside", lambda e: e.arp(REPLY, (NOBODY.mac, e.me.v4))),
    harmless("inverse ARP of its own", lambda e: e.arp(INVERSE, e.me.pair), NOT_TO_BE_READ),
    harmless("reverse ARP in ARP of its own", lambda e: e.arp(REVERSE, e.me.pair), NOT_TO_BE_READ),
    wrong("inverse ARP of a neighbour", lambda e: e.arp(INVERSE, (e.me.mac, e.other.v4))),
    wrong("ARP for IEEE 802 hardware", lambda e: bent(e.arp(REPLY, e.me.pair), 0, b"\0\6")),
    wrong("ARP for IPv6", lambda e: bent(e.arp(REPLY, e.me.pair), 2, b"\x86\xdd")),
    wrong("ARP with MACs of 8 bytes", lambda e: bent(e.arp(REPLY, e.me.pair), 4, b"\x08")),
    wrong("ARP with MACs of none", lambda e: bent(e.arp(REPLY, e.me.pair), 4, b"\0")),
    wrong("ARP with addresses of 16 bytes", lambda e: bent(e.arp(REPLY, e.me.pair), 5, b"\x10")),
    wrong("ARP for IEEE 802 hardware and the gateway", lambda e: bent(e.arp(REPLY, e.gateway.pair), 0, b"\0\6")),
    wrong("ARP cut off behind its head", lambda e: e.arp(REPLY, e.me.pair)[:22]),
    wrong("ARP of 4 bytes", lambda e: e.arp(REPLY, e.me.pair)[:18]),
)

TYPES = {
    "RARP": 0x8035, "PPPoE discovery": 0x8863, "MPLS": 0x8847, "MPLS multicast": 0x8848, "802.1X": 0x888E,
    "802.1X pre-authentication": 0x88C7, "LLDP": 0x88CC, "slow protocols": 0x8809, "flow control": 0x8808,
    "MACsec": 0x88E5, "precision time": 0x88F7, "MRP": 0x88E3, "MVRP": 0x88F5, "MMRP": 0x88F6, "CFM": 0x8902,
    "FCoE": 0x8906, "FIP": 0x8914, "RoCE": 0x8915, "ATA": 0x88A2, "EtherCAT": 0x88A4, "PROFINET": 0x8892,
    "802.1ah": 0x88E7, "TRILL": 0x22F3, "wake on LAN": 0x0842, "loopback": 0x9000, "IPX": 0x8137, "DECnet": 0x6003,
    "AppleTalk": 0x809B, "AARP": 0x80F3, "B.A.T.M.A.N.": 0x4305, "transparent bridging": 0x6558, "NSH": 0x894F,
    "ERSPAN": 0x88BE, "HSR": 0x892F, "experimental": 0x88B5, "0xffff": 0xFFFF, "0x0600": 0x0600,
}  # fmt: skip
LOGICAL = b"\xaa\xaa\3\0\0\0"  # LLC and SNAP of RFC 1042


def _of_type(kind: int) -> Build:
    return lambda e: e.frame(kind, bytes(46))


def _tagged(build: Callable[[Ends], bytes], *tags: int) -> Build:
    """Return a builder of a frame with tags, each an EtherType with the VLAN id behind it."""
    return lambda e: build(e)[:12] + b"".join(tag.to_bytes(4, "big") for tag in tags) + build(e)[12:]


def _llc(e: Ends, payload: bytes) -> bytes:
    """Return a frame of IEEE 802.3, with a length in the place of the type; the mark behind it counts."""
    return e.frame(max(len(payload), 46) + 6, payload.ljust(46, b"\0"))


def _own4(e: Ends) -> bytes:
    return e.ip4(p.UDP, PORT7)


def _own_arp(e: Ends) -> bytes:
    return e.arp(REPLY, e.me.pair)


def _theft(e: Ends) -> bytes:
    return e.arp(REPLY, (e.me.mac, e.gateway.v4))


def _router(e: Ends) -> bytes:
    return e.icmp6(134, p.router_advertisement(packed("2001:db8:b::"), e.me.mac), e.me.local)


WRAPS = {
    "VLAN 0": (0x81000000,), "VLAN 5": (0x81000005,), "802.1ad 0": (0x88A80000,), "802.1ad 5": (0x88A80005,),
    "VLAN 0 with priority": (0x8100E000,), "VLAN in VLAN": (0x81000005, 0x81000006),
    "VLAN 0 in VLAN 0": (0x81000000, 0x81000000), "VLAN in 802.1ad": (0x88A80005, 0x81000005),
    "802.1ad in VLAN": (0x81000005, 0x88A80005), "three tags": (0x81000000, 0x81000000, 0x81000000),
    "0x9100": (0x91000005,), "0x9200": (0x92000005,), "0x9100 in VLAN": (0x81000000, 0x91000005),
}  # fmt: skip
INSIDE = {"IPv4": _own4, "ARP": _own_arp, "ARP for the gateway": _theft, "a router advertisement": _router}

TYPED = (
    *(wrong(f"EtherType {name}", _of_type(kind)) for name, kind in TYPES.items()),
    *(
        wrong(f"{wrap} with {name}", _tagged(build, *tags))
        for wrap, tags in WRAPS.items()
        for name, build in INSIDE.items()
    ),
    wrong("IPv4 in PPPoE", lambda e: e.frame(0x8864, b"\x11\0\0\1\0\x30\0\x21" + _own4(e)[14:])),
    wrong("IPv6 in PPPoE", lambda e: e.frame(0x8864, b"\x11\0\0\1\0\x60\0\x57" + _router(e)[14:])),
    wrong("IPv4 in MPLS", lambda e: e.frame(0x8847, b"\0\0\x01\x40" + _own4(e)[14:])),
    wrong("spanning tree", lambda e: _llc(e, b"\x42\x42\3" + bytes(35))),
    wrong("IS-IS", lambda e: _llc(e, b"\xfe\xfe\3\x83")),
    wrong("NetBEUI", lambda e: _llc(e, b"\xf0\xf0\3")),
    wrong("SNAP with IPv4", lambda e: _llc(e, LOGICAL + b"\x08\0" + _own4(e)[14:])),
    wrong("SNAP with ARP for the gateway", lambda e: _llc(e, LOGICAL + b"\x08\6" + _theft(e)[14:])),
    wrong("SNAP with a router advertisement", lambda e: _llc(e, LOGICAL + b"\x86\xdd" + _router(e)[14:])),
    wrong("SNAP of Cisco", lambda e: _llc(e, b"\xaa\xaa\3\0\0\x0c\x20\0")),
    wrong("a length of 0", lambda e: e.frame(0, bytes(46))),
)
KINDS: tuple[Kind, ...] = MACS + ARPS + TYPED
