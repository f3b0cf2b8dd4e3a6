"""Rings when the way to other hosts may have changed: routes of the host, the links to them, or pynet's own routes.

An IPv4 route goes silently with its link (fib_sync_down_dev, net/ipv4/fib_semantics.c), so links count as well.
"""

import select
import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress

from netlink import uapi
from netlink.ip import FAMILIES
from netlink.listening import drained, make_room
from netlink.own_changes import GONE, OwnChanges
from netlink.wire import attributes, messages

ROUTES, LOST = "routes", "lost"  # the host's routes changed; pynet's own may be gone
GATHER = 0.05  # seconds to let messages gather, as a daemon writes many routes at once
ROOM = 1 << 20  # bytes of messages that wait to be read
MOST = 4096  # messages that are read at once, if they do not end


def _indexes(links: Collection[str]) -> Iterator[int]:
    for name in links:
        with suppress(OSError):  # it went
            yield socket.if_nametoindex(name)


class UnderlayBell:
    """A socket that hears of routes and links. ``protocol`` is that of pynet's own routes.

    ``gone`` returns the name of a route of pynet, by its packed address, among its own changes.
    """

    def __init__(self, protocol: int, changes: OwnChanges, gone: Callable[[bytes], str]) -> None:
        self._protocol = protocol
        self._changes = changes
        self._gone = gone
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._socket.bind((0, uapi.RTMGRP_LINK | uapi.RTMGRP_IPV4_ROUTE | uapi.RTMGRP_IPV6_ROUTE))
        make_room(self._socket, ROOM)

    def wait(self, seconds: float, links: Collection[str]) -> frozenset[str]:
        """Wait up to ``seconds``; return ``ROUTES`` or ``LOST`` or both if one of ``links`` or a route changed."""
        indexes = set(_indexes(links))
        if not select.select([self._socket], [], [], seconds)[0]:
            return frozenset()
        time.sleep(GATHER)
        return frozenset(drained(self._socket, lambda data: self._of(data, indexes), {ROUTES, LOST}, MOST))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _of(self, data: bytes, links: Collection[int]) -> set[str]:
        return {each for kind, _, body in messages(data) for each in self._meaning(kind, body, links)}

    def _meaning(self, kind: int, body: bytes, links: Collection[int]) -> set[str]:
        if kind in {uapi.RTM_NEWLINK, uapi.RTM_DELLINK}:
            index = uapi.IFINFOMSG.unpack_from(body)[2]
            return {ROUTES, LOST} if body[0] == socket.AF_UNSPEC and index in links else set()
        if kind not in {uapi.RTM_NEWROUTE, uapi.RTM_DELROUTE} or body[0] not in FAMILIES:
            return set()
        if uapi.RTMSG.unpack_from(body)[5] != self._protocol:
            return {ROUTES}
        to = dict(attributes(body[uapi.RTMSG.size :])).get(uapi.RTA_DST, b"")
        ours = kind == uapi.RTM_NEWROUTE or self._changes.is_recent(GONE, self._gone(to))
        return set() if ours else {LOST}
