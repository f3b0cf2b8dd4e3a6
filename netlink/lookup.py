"""Asking the kernel where it would route a packet (``ip route get``).

Layout: ``struct rtmsg`` and RTA_* (linux/rtnetlink.h).
"""

import os
import socket
import struct
from types import TracebackType

from netlink.deadline import remaining
from netlink.dump import PATIENCE
from netlink.wire import NLMSG_ERROR, ORDER, attribute, attributes, error_number, message, messages, number, word

RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTN_LOCAL = 1, 2, 3, 4, 2
# Family, lengths of destination and source, tos, table, protocol, scope, type, flags.
_ROUTE = struct.Struct(f"{ORDER}BBBBBBBBI")
_TYPE = 7  # where the route's type stands in it


class Lookup:
    """One socket for many questions; each address is asked for once."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._known: dict[bytes, bool] = {}

    def __enter__(self) -> "Lookup":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    def is_local(self, address: bytes) -> bool:
        """Say whether packets to ``address`` (packed) are for the host itself, as nft's ``fib daddr type local`` does.

        Raises:
            OSError: the kernel does not answer.
        """
        if address not in self._known:
            self._known[address] = self._route_type(address) == RTN_LOCAL
        return self._known[address]

    def link_towards(self, address: bytes, source: bytes = b"", link: int = 0) -> int:
        """Return the index of the link by which the host sends packets to ``address``; its own go by that of lo.

        With ``source`` and ``link`` it is asked for a packet from there that came in by the link with that index.

        Raises:
            OSError: there is no route, or one that drops; or the kernel does not answer.
        """
        found = self._route(address, source, link)
        if isinstance(found, int):
            raise OSError(found, os.strerror(found))
        return number(dict(attributes(found[_ROUTE.size :])).get(RTA_OIF, b""))

    def _route_type(self, address: bytes) -> int | None:
        """Return the type of the route, None without one."""
        found = self._route(address)
        return None if isinstance(found, int) else found[_TYPE]

    def _route(self, address: bytes, source: bytes = b"", link: int = 0) -> bytes | int:
        """Return the route as the kernel describes it, or the errno that packets meet."""
        family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        header = _ROUTE.pack(family, len(address) * 8, len(source) * 8, 0, 0, 0, 0, 0, 0)
        wanted = attribute(RTA_DST, address) + (attribute(RTA_SRC, source) if source else b"")
        self._sock.settimeout(remaining(PATIENCE))
        self._sock.send(message(RTM_GETROUTE, 0, header + wanted + (word(RTA_IIF, link) if link else b"")))
        while True:
            for kind, _, body in messages(self._sock.recv(1 << 16)):
                if kind == RTM_NEWROUTE:
                    return body
                if kind == NLMSG_ERROR:
                    return error_number(body)
