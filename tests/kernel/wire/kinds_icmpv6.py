"""Kinds of ICMPv6 messages: neighbour discovery, groups, errors."""

from collections.abc import Callable

from tests.kernel.wire import packets as p
from tests.kernel.wire.ends import NOBODY, Ends, packed
from tests.kernel.wire.kind import TOLD, Build, Kind, foreign, harmless, own, wrong

ANY = bytes(16)
QUERY, REPORT, DONE, ROUTER_SOLICITATION, ROUTER, SOLICIT, ADVERTISE, REDIRECT, REPORT2 = (
    130,
    131,
    132,
    133,
    134,
    135,
    136,
    137,
    143,
)
OUTSIDE, GROUP = packed("2001:db8:b::"), packed("ff02::1:ff00:3")
NEW_GROUP = b"\0\0\0\1\4\0\0\0" + GROUP  # a record of MLDv2 (RFC 3810)
ALL_ROUTERS = packed("33:33:00:00:00:02")
BEHIND = {
    "hop-by-hop": [p.HOP_BY_HOP], "options": [p.OPTIONS], "ten options": [p.OPTIONS] * 10,
    "a routing header": [p.ROUTING], "hop-by-hop out of its place": [p.OPTIONS, p.HOP_BY_HOP],
}  # fmt: skip
HIDDEN = {"AH": [p.AUTHENTICATION], "options and AH": [p.OPTIONS, p.AUTHENTICATION, p.OPTIONS]}
NO_KEY = "a receiver that has no key of the sender drops it"
CLOSED = {
    "RPL": 155, "router renumbering": 138, "node information query": 139, "node information reply": 140,
    "inverse solicitation": 141, "inverse advertisement": 142, "home agent request": 144, "home agent reply": 145,
    "mobile prefix solicitation": 146, "mobile prefix advertisement": 147, "certification path solicitation": 148,
    "certification path advertisement": 149, "experimental mobility": 150, "multicast router advertisement": 151,
    "multicast router solicitation": 152, "multicast router termination": 153, "fast handover": 154,
    "ILNP locator": 156, "duplicate address request": 157, "duplicate address confirmation": 158, "type 0": 0,
    "extended echo": 160, "type 5": 5, "type 100": 100, "type 127": 127, "type 200": 200, "type 255": 255,
}  # fmt: skip


def _router(e: Ends) -> bytes:
    return p.router_advertisement(OUTSIDE, e.me.mac)


def _claim(e: Ends, target: bytes) -> bytes:
    return p.advertisement(target, e.me.mac)


def _look(target: Callable[[Ends], bytes]) -> Build:
    """Return a builder of a look for duplicates (RFC 4862)."""
    return lambda e: e.icmp6(SOLICIT, p.solicitation(target(e)), ANY)


def _ask(e: Ends, target: bytes, source: bytes = b"") -> bytes:
    return e.icmp6(SOLICIT, p.solicitation(target, e.me.mac), source)


def _say(e: Ends, target: bytes, source: bytes = b"") -> bytes:
    return e.icmp6(ADVERTISE, _claim(e, target), source)


def _of_type(number: int, source: bytes | None = None) -> Build:
    return lambda e: e.icmp6(number, bytes(40), source or e.me.local)


def _behind(headers: list[p.Header]) -> tuple[Build, Build, Build]:
    """Return builders of a router advertisement, a stolen neighbour advertisement and a query, behind ``headers``."""
    return (
        lambda e: e.icmp6(ROUTER, _router(e), e.me.local, headers),
        lambda e: e.icmp6(ADVERTISE, _claim(e, e.gateway.v6), behind=headers),
        lambda e: e.icmp6(QUERY, source=e.me.local, behind=headers),
    )


def _first(e: Ends) -> p.Header:
    return p.fragment(e.number)


OWN = (
    own("ICMPv6 echo request", lambda e: e.icmp6(128)),
    own("ICMPv6 echo reply", lambda e: e.icmp6(129)),
    *(own(f"ICMPv6 error {kind}", lambda e, kind=kind: e.icmp6(kind, bytes(48))) for kind in (1, 2, 3, 4)),  # type: ignore[misc]
    own("MLD report", lambda e: e.icmp6(REPORT, bytes(4) + GROUP, e.me.local, [p.ALERT])),
    own("MLD done", lambda e: e.icmp6(DONE, bytes(4) + GROUP, e.me.local, [p.ALERT])),
    own("MLDv2 report", lambda e: e.icmp6(REPORT2, NEW_GROUP, e.me.local, [p.ALERT])),
    own("MLDv2 report of ::", lambda e: e.icmp6(REPORT2, NEW_GROUP, ANY, [p.ALERT])),
    own("MLD report of ::", lambda e: e.icmp6(REPORT, bytes(4) + GROUP, ANY, [p.ALERT])),
    own("neighbour solicitation", lambda e: _ask(e, e.to.v6)),
    own("neighbour solicitation from link-local", lambda e: _ask(e, e.to.v6, e.me.local)),
    own("neighbour solicitation for a neighbour", lambda e: _ask(e, e.other.v6), TOLD),
    own("neighbour solicitation for the gateway", lambda e: _ask(e, e.gateway.v6), TOLD),
    own("neighbour advertisement", lambda e: _say(e, e.me.v6), TOLD),
    own("neighbour advertisement from link-local", lambda e: _say(e, e.me.v6, e.me.local), TOLD),
    own("neighbour advertisement of link-local", lambda e: _say(e, e.me.local, e.me.local), TOLD),
    own("router solicitation", lambda e: e.icmp6(ROUTER_SOLICITATION, bytes(4), e.me.local)),
    own("router solicitation of ::", lambda e: e.icmp6(ROUTER_SOLICITATION, bytes(4), ANY)),
    own("look for duplicates of its address", _look(lambda e: e.me.v6), TOLD),
    own("look for duplicates of its link-local address", _look(lambda e: e.me.local), TOLD),
    harmless("ICMPv6 echo behind options", lambda e: e.icmp6(128, behind=[p.OPTIONS]), "an echo like any other"),
)
DISCOVERY = (
    wrong("look for duplicates of a neighbour", _look(lambda e: e.other.v6)),
    wrong("look for duplicates of a link-local neighbour", _look(lambda e: e.other.local)),
    wrong("look for duplicates of the gateway", _look(lambda e: e.gateway.v6)),
    foreign("look for duplicates of nobody", _look(lambda _: NOBODY.v6)),
    wrong("neighbour solicitation of a neighbour", lambda e: _ask(e, e.to.v6, e.other.v6)),
    wrong("neighbour solicitation of the gateway", lambda e: _ask(e, e.to.v6, e.gateway.v6)),
    wrong("neighbour advertisement for a neighbour", lambda e: _say(e, e.other.v6)),
    wrong("neighbour advertisement for a link-local neighbour", lambda e: _say(e, e.other.local)),
    wrong("neighbour advertisement for the gateway", lambda e: _say(e, e.gateway.v6)),
    foreign("neighbour advertisement for nobody", lambda e: _say(e, NOBODY.v6)),
    foreign("neighbour advertisement for an address outside", lambda e: _say(e, packed("2001:db8::1"))),
    foreign("neighbour advertisement of ::", lambda e: _say(e, e.me.v6, ANY)),
    wrong("neighbour advertisement as a neighbour", lambda e: _say(e, e.other.v6, e.other.v6)),
    wrong("router advertisement", lambda e: e.icmp6(ROUTER, _router(e), e.me.local)),
    wrong("router advertisement from its global address", lambda e: e.icmp6(ROUTER, _router(e))),
    wrong("router advertisement of ::", lambda e: e.icmp6(ROUTER, _router(e), ANY)),
    wrong("router advertisement of the gateway", lambda e: e.icmp6(ROUTER, _router(e), e.gateway.local)),
    wrong("redirect", lambda e: e.icmp6(REDIRECT, p.redirect(e.me.local, OUTSIDE, e.me.mac), e.me.local)),
    wrong(
        "redirect of the gateway",
        lambda e: e.icmp6(REDIRECT, p.redirect(e.me.local, OUTSIDE, e.me.mac), e.gateway.local),
    ),
    wrong("redirect behind hop-by-hop", lambda e: e.icmp6(REDIRECT, bytes(36), e.me.local, [p.HOP_BY_HOP])),
    *(wrong(f"router advertisement behind {name}", _behind(headers)[0]) for name, headers in BEHIND.items()),
    *(
        wrong(f"neighbour advertisement for the gateway behind {name}", _behind(headers)[1])
        for name, headers in BEHIND.items()
    ),
    *(harmless(f"router advertisement behind {name}", _behind(headers)[0], NO_KEY) for name, headers in HIDDEN.items()),
    *(
        harmless(f"neighbour advertisement for the gateway behind {name}", _behind(headers)[1], NO_KEY)
        for name, headers in HIDDEN.items()
    ),
)
FRAGMENTS = (
    wrong("router advertisement in an atomic fragment", lambda e: e.icmp6(ROUTER, _router(e), e.me.local, [_first(e)])),
    wrong(
        "router advertisement behind hop-by-hop in an atomic fragment",
        lambda e: e.icmp6(ROUTER, _router(e), e.me.local, [p.HOP_BY_HOP, _first(e)]),
    ),
    wrong(
        "router advertisement behind options in an atomic fragment",
        lambda e: e.icmp6(ROUTER, _router(e), e.me.local, [_first(e), p.OPTIONS]),
    ),
    wrong(
        "router advertisement in two atomic fragments",
        lambda e: e.icmp6(ROUTER, _router(e), e.me.local, [_first(e), _first(e)]),
    ),
    wrong("router advertisement in two fragments", lambda e: e.icmp6_pieces(ROUTER, _router(e), 16, e.me.local)),
    wrong(
        "redirect in two fragments",
        lambda e: e.icmp6_pieces(REDIRECT, p.redirect(e.me.local, OUTSIDE, e.me.mac), 8, e.me.local),
    ),
    wrong(
        "neighbour advertisement for the gateway in an atomic fragment",
        lambda e: e.icmp6(ADVERTISE, _claim(e, e.gateway.v6), behind=[_first(e)]),
    ),
    wrong(
        "neighbour advertisement for the gateway in two fragments",
        lambda e: e.icmp6_pieces(ADVERTISE, _claim(e, e.gateway.v6), 8),
    ),
    wrong(
        "neighbour advertisement for a neighbour in two fragments",
        lambda e: e.icmp6_pieces(ADVERTISE, _claim(e, e.other.v6), 8),
    ),
    wrong(
        "neighbour advertisement for a neighbour, split in its target",
        lambda e: e.icmp6_pieces(ADVERTISE, _claim(e, e.other.v6), 16),
    ),
    wrong(
        "neighbour advertisement in an atomic fragment",
        lambda e: e.icmp6(ADVERTISE, _claim(e, e.me.v6), behind=[_first(e)]),
    ),
    wrong("neighbour advertisement in two fragments", lambda e: e.icmp6_pieces(ADVERTISE, _claim(e, e.me.v6), 8)),
    wrong(
        "neighbour solicitation in an atomic fragment",
        lambda e: e.icmp6(SOLICIT, p.solicitation(e.to.v6, e.me.mac), behind=[_first(e)]),
    ),
    wrong(
        "neighbour solicitation in two fragments",
        lambda e: e.icmp6_pieces(SOLICIT, p.solicitation(e.to.v6, e.me.mac), 8),
    ),
    wrong(
        "router solicitation in an atomic fragment",
        lambda e: e.icmp6(ROUTER_SOLICITATION, bytes(4), e.me.local, [_first(e)]),
    ),
    wrong("look for duplicates in two fragments", lambda e: e.icmp6_pieces(SOLICIT, p.solicitation(e.me.v6), 8, ANY)),
    wrong("MLD query in an atomic fragment", lambda e: e.icmp6(QUERY, source=e.me.local, behind=[p.ALERT, _first(e)])),
    own("ICMPv6 echo in two fragments", lambda e: e.icmp6_pieces(128, bytes(64), 32)),
)
GROUPS = (
    wrong("MLD query", lambda e: e.icmp6(QUERY, source=e.me.local, behind=[p.ALERT])),
    wrong("MLDv2 query", lambda e: e.icmp6(QUERY, bytes(24), e.me.local, [p.ALERT])),
    wrong("MLD query without the alert", lambda e: e.icmp6(QUERY, source=e.me.local)),
    wrong("MLD query of its global address", lambda e: e.icmp6(QUERY, behind=[p.ALERT])),
    wrong("MLD query of ::", lambda e: e.icmp6(QUERY, source=ANY, behind=[p.ALERT])),
    wrong("MLD query of the gateway", lambda e: e.icmp6(QUERY, source=e.gateway.local, behind=[p.ALERT])),
    *(wrong(f"MLD query behind {name}", _behind(headers)[2]) for name, headers in BEHIND.items()),
    *(harmless(f"MLD query behind {name}", _behind(headers)[2], NO_KEY) for name, headers in HIDDEN.items()),
    wrong("MLD report of a neighbour", lambda e: e.icmp6(REPORT2, NEW_GROUP, e.other.local, [p.ALERT])),
)
OTHERS = (
    *(wrong(f"ICMPv6 {name}", _of_type(kind)) for name, kind in CLOSED.items()),
    foreign("ICMPv6 echo of ::", lambda e: e.icmp6(128, source=ANY)),
    foreign("ICMPv6 error of ::", lambda e: e.icmp6(1, bytes(48), ANY)),
    wrong("ICMPv6 echo of a neighbour", lambda e: e.icmp6(128, source=e.other.v6)),
    wrong("ICMPv6 error of the gateway", lambda e: e.icmp6(2, bytes(48), e.gateway.v6)),
)
CUT = (
    wrong("neighbour advertisement without a target", lambda e: e.icmp6(ADVERTISE, bytes(4))),
    wrong("neighbour advertisement cut off in its target", lambda e: e.icmp6(ADVERTISE, _claim(e, e.gateway.v6)[:12])),
    wrong("look for duplicates without a target", lambda e: e.icmp6(SOLICIT, bytes(4), ANY)),
    wrong("ICMPv6 without anything", lambda e: e.ip6(p.ICMPV6, b"")),
)
KINDS: tuple[Kind, ...] = OWN + DISCOVERY + FRAGMENTS + GROUPS + OTHERS + CUT
