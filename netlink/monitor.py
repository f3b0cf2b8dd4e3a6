"""Listens for changes that other processes make (rtnetlink(7), nftables' group of nfnetlink).

A bridge appeared, disappeared or got a port; one of our links lost its bridge, an address or its limit; rules changed;
the host began or stopped to forward, or its link ``lo`` lost an address.
"""

import re
import select
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

from netlink import uapi
from netlink.links import parse_link
from netlink.listening import drained, make_room
from netlink.own_changes import GONE, MADE, SET, OwnChanges
from netlink.request import link_name
from netlink.route_monitor import RouteMonitor
from netlink.wire import attributes, messages, number

LINKS, RULES, OWN, SWITCH, LOST = "links", "rules", "own", "switch", "lost"
NAMED = "link "  # before the name of a link of ours
LOOPBACK = 1  # index of link lo
CONSEQUENCES = 1.0  # seconds in which the kernel tells each bridge's forwarding after that of the host
GATHER = 0.03  # seconds to let messages gather: a network with an endpoint makes 26, and reading each slows it down
ROOM = 8 << 20  # bytes of messages that wait to be read
_LIMITS = frozenset({uapi.RTM_NEWQDISC, uapi.RTM_DELQDISC, uapi.RTM_NEWTFILTER, uapi.RTM_DELTFILTER})
_BRIDGE = b"bridge\0"  # IFLA_INFO_KIND of a bridge, IFLA_INFO_SLAVE_KIND of its ports


class Monitor:
    """Sockets that hear changes: of links, of their settings, of rules and, if there are shims, of routes.

    Messages are searched for names before they are decoded: 6 µs a message, 12 when each link is decoded, and 85 with
    pyroute2 (two cores, 1,000 messages of creations).

    ``names`` are the tables and chains whose changes matter: a name matches every one that ends with it. ``is_own``
    tells by the netlink port of its sender whether this process changed a rule, ``changes`` whether it changed a link
    or a setting. Names of our links begin with one of ``prefixes`` and end with twelve hexadecimal digits;
    ``is_bridge`` tells by its name whether a bridge is a network's, even if a user chose the name. ``routes`` knows the
    links of the host that lead to containers on its LAN, if a mode has such links.
    """

    def __init__(
        self,
        *names: str,
        is_own: Callable[[int], bool],
        changes: OwnChanges,
        prefixes: Sequence[str],
        is_bridge: Callable[[str], bool],
        routes: RouteMonitor | None = None,
    ) -> None:
        self._routes = routes
        self._switched_at = -CONSEQUENCES  # when the kernel last told of the forwarding of the host
        self._is_own = is_own
        self._changes = changes
        self._is_bridge = is_bridge
        self._prefixes = [prefix.encode() for prefix in prefixes]
        self._own_name = re.compile(b"(" + b"|".join(self._prefixes) + rb")[0-9a-f]{12}\0")
        self._names = [name.encode() + b"\0" for name in names]
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._links = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        groups = uapi.RTMGRP_LINK | uapi.RTMGRP_TC | uapi.RTMGRP_IPV4_IFADDR | uapi.RTMGRP_IPV6_IFADDR
        self._links.bind((0, groups))
        # A socket of its own: if the host's forwarding changes, the kernel tells of every link, which may be too much.
        self._settings = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._settings.bind((0, 0))
        for group in (uapi.RTNLGRP_IPV4_NETCONF, uapi.RTNLGRP_IPV6_NETCONF):
            self._settings.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_ADD_MEMBERSHIP, group)
        self._rules = socket.socket(socket.AF_NETLINK, kind, uapi.NETLINK_NETFILTER)
        self._rules.bind((0, 0))
        self._rules.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_ADD_MEMBERSHIP, uapi.NFNLGRP_NFTABLES)
        for sock in (self._links, self._settings, self._rules):
            make_room(sock, ROOM)

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to ``seconds`` and return what others changed.

        ``LINKS`` means bridges of others and their ports, ``RULES`` nftables, ``SWITCH`` the forwarding of the host
        or an address that link ``lo`` lost.
        ``OWN`` means our links, with ``NAMED`` and the name of each, and ``LOST`` that the kernel had no room for some.
        """
        end = time.monotonic() + seconds
        heard: set[str] = set()
        while not heard and (rest := end - time.monotonic()) > 0:
            of_routes = self._routes.listening() if self._routes else None
            sockets = [self._links, self._settings, self._rules, *([of_routes] if of_routes else [])]
            if not any(select.select(sockets, [], [], rest)):
                break
            time.sleep(GATHER)
            heard |= drained(self._links, self._of_links, lost={LINKS, OWN, LOST})
            heard |= drained(self._settings, self._of_links, lost={SWITCH})
            heard |= drained(self._rules, self._of_rules, lost={RULES})
            heard |= drained(of_routes, self._of_routes, lost=self._shims()) if of_routes else set()
        return frozenset(heard)

    def _of_links(self, data: bytes) -> set[str]:
        heard: set[str] = set()
        for kind, _, body in messages(data):
            if kind == uapi.RTM_NEWNETCONF and _setting_of(body) == uapi.NETCONFA_IFINDEX_ALL:
                self._switched_at = time.monotonic()
                heard |= {SWITCH, *self._shims()}  # the kernel writes their setting too
            elif kind == uapi.RTM_DELADDR and uapi.IFADDRMSG.unpack_from(body)[4] == LOOPBACK:
                heard.add(SWITCH)
            elif name := self._drifted(kind, body):
                heard |= {OWN, NAMED + name}
        return heard | ({LINKS} if self._is_of_another_bridge(data) else set())

    def _of_routes(self, data: bytes) -> set[str]:
        return _named(self._routes.of_routes(data)) if self._routes else set()

    def _shims(self) -> set[str]:
        return _named(self._routes.links) if self._routes else set()

    def _is_of_another_bridge(self, data: bytes) -> bool:
        """Return whether a bridge or a port of one changed that is not our own; ours would ring at every creation."""
        return _BRIDGE in data and not any(prefix in data for prefix in self._prefixes)

    def _of_rules(self, data: bytes) -> set[str]:
        own = len(data) >= uapi.NLMSGHDR.size and self._is_own(uapi.NLMSGHDR.unpack_from(data)[4])
        return {RULES} if not own and any(name in data for name in self._names) else set()

    def _drifted(self, kind: int, body: bytes) -> str:
        """Return the link of ours that somebody else removed, detached, set down or changed an address or setting of.

        Carrier changes caused by containers starting and stopping do not count; "" means no such link.
        """
        if kind in {uapi.RTM_NEWLINK, uapi.RTM_DELLINK}:
            if self._routes:
                self._routes.note(kind, body)
            return self._losing(kind, body)
        if kind in {uapi.RTM_NEWADDR, uapi.RTM_DELADDR}:
            return self._readdressed(kind, link_name(uapi.IFADDRMSG.unpack_from(body)[4]))
        if kind in _LIMITS:
            return self._limited(body)
        return self._switched(body) if kind == uapi.RTM_NEWNETCONF else ""

    def _readdressed(self, kind: int, name: str) -> str:
        """Return the link if it is a bridge of ours that lost an address, or has a shim, whose routes have its own."""
        if self._routes and self._routes.has_shim(name):
            return name
        lost = kind == uapi.RTM_DELADDR and self._is_bridge(name)
        return name if lost and not self._changes.is_recent(GONE, name) else ""

    def _limited(self, body: bytes) -> str:
        """Return the link of ours whose queue or filters others changed."""
        name = link_name(uapi.TCMSG.unpack_from(body)[1])
        ours = any(self._changes.is_recent(what, name) for what in (SET, MADE, GONE))
        return name if self._own_name.fullmatch(name.encode() + b"\0") and not ours else ""

    def _switched(self, body: bytes) -> str:
        """Return the bridge of ours whose forwarding others changed; that of the host changes each link's as well."""
        if time.monotonic() - self._switched_at < CONSEQUENCES:
            return ""
        name = link_name(number(_setting_of(body)))
        own = [f"net/ipv{version}/conf/{name}/forwarding" for version in (4, 6)]
        ours = self._changes.is_recent(MADE, name) or any(self._changes.is_recent(SET, path) for path in own)
        return name if self._is_bridge(name) and not ours else ""

    def _losing(self, kind: int, body: bytes) -> str:
        """Return the link of ours that lost something; names come first, as most messages tell of our own changes."""
        found = self._own_name.search(body)
        if found is None and self._routes and (parent := self._routes.astray(kind, body)):
            return parent if not self._did(kind, parent) else ""
        if found is not None:
            name = found.group().rstrip(b"\0").decode()
        elif _BRIDGE in body and body[0] == socket.AF_UNSPEC and self._is_bridge(parsed := parse_link(body).name):
            name = parsed
        else:
            return ""
        return name if not self._did(kind, name) and _lost(kind, body) else ""

    def _did(self, kind: int, name: str) -> bool:
        """Return whether this process just made or deleted the link ``name``: a link is set down before it goes."""
        return self._changes.is_recent(GONE, name) or (kind == uapi.RTM_NEWLINK and self._changes.is_recent(MADE, name))

    def close(self) -> None:
        """Close the sockets."""
        for sock in (self._links, self._settings, self._rules):
            sock.close()
        if self._routes:
            self._routes.close()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _named(links: Iterable[str]) -> set[str]:
    return {word for name in links for word in (OWN, NAMED + name)}


def _lost(kind: int, body: bytes) -> bool:
    if body[0] != socket.AF_UNSPEC:
        return False  # sent by a bridge about one of its ports
    link = parse_link(body)
    return kind == uapi.RTM_DELLINK or not link.up or (link.kind == "veth" and not link.master)


def _setting_of(body: bytes) -> bytes:
    """Return the index of the link that RTM_NEWNETCONF is about."""
    return dict(attributes(body[uapi.NETCONFMSG :])).get(uapi.NETCONFA_IFINDEX, b"")
