"""Listens for changes that other processes make (rtnetlink(7), nftables' group of nfnetlink).

A bridge appeared, disappeared or got a port; one of our links lost its bridge or an address; rules changed; the host
began or stopped to forward.
"""

import errno
import re
import select
import socket
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from netlink import uapi
from netlink.links import parse_link
from netlink.own_changes import GONE, MADE, SET, OwnChanges
from netlink.sysctl import FORWARDING
from netlink.wire import attributes, messages, number

LINKS, RULES, OWN = "links", "rules", "own"
GATHER = 0.03  # seconds to let messages gather: a network with an endpoint makes 26, and reading each slows it down
ROOM = 8 << 20  # bytes of messages that wait to be read
MOST = 1000  # messages that are read at once, if they do not end
_BRIDGE = b"bridge\0"  # IFLA_INFO_KIND of a bridge, IFLA_INFO_SLAVE_KIND of its ports


class Monitor:
    """Two sockets that hear changes.

    Messages are searched for names before they are decoded: 6 µs a message, 12 when each link is decoded, and 85 with
    pyroute2 (two cores, 1,000 messages of creations).

    ``names`` are the tables and chains whose changes matter: a name matches every one that ends with it. ``is_own``
    tells by the netlink port of its sender whether this process changed a rule, ``changes`` whether it changed a link
    or a setting. Names of our links begin with one of ``prefixes`` and end with twelve hexadecimal digits;
    ``is_bridge`` tells by its name whether a bridge is a network's, even if a user chose the name.
    """

    def __init__(
        self,
        *names: str,
        is_own: Callable[[int], bool],
        changes: OwnChanges,
        prefixes: Sequence[str],
        is_bridge: Callable[[str], bool],
    ) -> None:
        self._is_own = is_own
        self._changes = changes
        self._is_bridge = is_bridge
        self._prefixes = [prefix.encode() for prefix in prefixes]
        self._own_name = re.compile(b"(" + b"|".join(self._prefixes) + rb")[0-9a-f]{12}\0")
        self._names = [name.encode() + b"\0" for name in names]
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._links = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._links.bind((0, uapi.RTMGRP_LINK | uapi.RTMGRP_IPV4_IFADDR | uapi.RTMGRP_IPV6_IFADDR))
        for group in (uapi.RTNLGRP_IPV4_NETCONF, uapi.RTNLGRP_IPV6_NETCONF):
            self._links.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_ADD_MEMBERSHIP, group)
        self._rules = socket.socket(socket.AF_NETLINK, kind, uapi.NETLINK_NETFILTER)
        self._rules.bind((0, 0))
        self._rules.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_ADD_MEMBERSHIP, uapi.NFNLGRP_NFTABLES)
        for sock in (self._links, self._rules):
            _make_room(sock)

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to ``seconds`` and return what others changed.

        ``LINKS`` means bridges of others and their ports, ``RULES`` nftables, ``OWN`` our links and the forwarding.
        """
        end = time.monotonic() + seconds
        heard: set[str] = set()
        while not heard and (rest := end - time.monotonic()) > 0:
            if not any(select.select([self._links, self._rules], [], [], rest)):
                break
            time.sleep(GATHER)
            heard |= _heard(self._links, self._of_links, lost={LINKS, OWN})
            heard |= _heard(self._rules, self._of_rules, lost={RULES})
        return frozenset(heard)

    def _of_links(self, data: bytes) -> set[str]:
        heard = {OWN for kind, _, body in messages(data) if self._is_drift(kind, body)}
        return heard | ({LINKS} if self._is_of_another_bridge(data) else set())

    def _is_of_another_bridge(self, data: bytes) -> bool:
        """Return whether a bridge or a port of one changed that is not our own; ours would ring at every creation."""
        return _BRIDGE in data and not any(prefix in data for prefix in self._prefixes)

    def _of_rules(self, data: bytes) -> set[str]:
        own = len(data) >= uapi.NLMSGHDR.size and self._is_own(uapi.NLMSGHDR.unpack_from(data)[4])
        return {RULES} if not own and any(name in data for name in self._names) else set()

    def _is_drift(self, kind: int, body: bytes) -> bool:
        """Return whether somebody else removed one of our links, detached it, set it down or removed its address.

        Carrier changes caused by containers starting and stopping do not count.
        """
        if kind in {uapi.RTM_NEWLINK, uapi.RTM_DELLINK}:
            return self._is_loss(kind, body)
        if kind == uapi.RTM_DELADDR:
            name = _name_of(uapi.IFADDRMSG.unpack_from(body)[4])
            return self._is_bridge(name) and not self._changes.is_recent(GONE, name)
        return kind == uapi.RTM_NEWNETCONF and self._is_switched(body)

    def _is_switched(self, body: bytes) -> bool:
        """Return whether others changed a setting, such as the forwarding, of the host or of one of our bridges."""
        if any(self._changes.is_recent(SET, path) for path in FORWARDING.values()):
            return False
        index = dict(attributes(body[uapi.NETCONFMSG :])).get(uapi.NETCONFA_IFINDEX, b"")
        if index == uapi.NETCONFA_IFINDEX_ALL:
            return True
        name = _name_of(number(index))
        own = [f"net/ipv{version}/conf/{name}/forwarding" for version in (4, 6)]
        return (
            self._is_bridge(name)
            and not self._changes.is_recent(MADE, name)
            and not any(self._changes.is_recent(SET, path) for path in own)
        )

    def _is_loss(self, kind: int, body: bytes) -> bool:
        """Return whether a link of ours lost something; names come first, as most messages tell of our own changes."""
        found = self._own_name.search(body)
        if found is not None:
            return not self._did(kind, found.group().rstrip(b"\0").decode()) and _lost(kind, body)
        if _BRIDGE not in body or body[0] != socket.AF_UNSPEC:
            return False
        name = parse_link(body).name
        return self._is_bridge(name) and not self._did(kind, name) and _lost(kind, body)

    def _did(self, kind: int, name: str) -> bool:
        """Return whether this process just made or deleted the link ``name``: a link is set down before it goes."""
        return self._changes.is_recent(GONE, name) or (kind == uapi.RTM_NEWLINK and self._changes.is_recent(MADE, name))

    def close(self) -> None:
        """Close the sockets."""
        self._links.close()
        self._rules.close()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _lost(kind: int, body: bytes) -> bool:
    if body[0] != socket.AF_UNSPEC:
        return False  # sent by a bridge about one of its ports
    link = parse_link(body)
    return kind == uapi.RTM_DELLINK or not link.up or (link.kind == "veth" and not link.master)


def _name_of(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""  # the link went with its addresses, which another message tells


def _make_room(sock: socket.socket) -> None:
    """Give a socket much room; without the right to that much, as much as the host allows anybody."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, ROOM)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)


def _heard(sock: socket.socket, of: Callable[[bytes], set[str]], lost: set[str]) -> set[str]:
    """Read the messages that have come and return what they mean; ``lost`` when the kernel had no room for some."""
    heard: set[str] = set()
    for _ in range(MOST):
        try:
            heard |= of(sock.recv(1 << 16))
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            heard |= lost
    return heard
