"""Asking the kernel where it would route a packet (``ip route get``).

Layout: ``struct rtmsg`` and RTA_* (linux/rtnetlink.h).
"""

import socket
import struct
from types import TracebackType

from netlink.deadline import remaining
from netlink.dump import PATIENCE
from netlink.wire import NLMSG_ERROR, ORDER, attribute, message, messages

RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTA_DST, RTN_LOCAL = 1, 2
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

    def _route_type(self, address: bytes) -> int | None:
        """Return the type of the route, None without one."""
        family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        header = _ROUTE.pack(family, len(address) * 8, 0, 0, 0, 0, 0, 0, 0)
        self._sock.settimeout(remaining(PATIENCE))
        self._sock.send(message(RTM_GETROUTE, 0, header + attribute(RTA_DST, address)))
        while True:
            for kind, _, body in messages(self._sock.recv(1 << 16)):
                if kind == RTM_NEWROUTE:
                    return body[_TYPE]
                if kind == NLMSG_ERROR:
                    return None
