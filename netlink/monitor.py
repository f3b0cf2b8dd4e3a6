"""Word from the kernel: a bridge came, went or got a port (rtnetlink(7)), or somebody else changed nftables' rules."""

import select
import socket
import time
from collections.abc import Callable
from types import TracebackType

from netlink.wire import HEADER

RTMGRP_LINK = 1  # linux/rtnetlink.h
NETLINK_NETFILTER, NFNLGRP_NFTABLES = 12, 7  # linux/netlink.h, linux/netfilter/nfnetlink.h
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
LINKS, RULES = "links", "rules"
GATHER = 0.03  # seconds to let messages gather: a creation makes a dozen, and reading each at once would slow it down
_OWN = (b"pn-", b"pnh", b"pnv")  # beginnings of the names of pynet's bridges and ports
_BRIDGE = b"bridge\0"  # IFLA_INFO_KIND of a bridge, IFLA_INFO_SLAVE_KIND of its ports


class Monitor:
    """Two sockets that hear changes; looking for a word costs less than decoding every message.

    ``names`` are the tables and chains whose changes matter: a name matches those that end with it. ``is_own`` tells by
    the netlink port of who changed a rule whether that was pynet.
    """

    def __init__(self, *names: str, is_own: Callable[[int], bool]) -> None:
        self._is_own = is_own
        self._names = [name.encode() + b"\0" for name in names]
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._links = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._links.bind((0, RTMGRP_LINK))
        self._rules = socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER)
        self._rules.bind((0, 0))
        self._rules.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to ``seconds``; say whether something happened to ``LINKS`` (bridges or their ports) or ``RULES``."""
        end = time.monotonic() + seconds
        heard: set[str] = set()
        while not heard and (rest := end - time.monotonic()) > 0:
            if not any(select.select([self._links, self._rules], [], [], rest)):
                break
            time.sleep(GATHER)
            if _heard(self._links, _is_of_a_bridge):
                heard.add(LINKS)
            if _heard(self._rules, self._matters):
                heard.add(RULES)
        return frozenset(heard)

    def _matters(self, data: bytes) -> bool:
        own = len(data) >= HEADER.size and self._is_own(HEADER.unpack_from(data)[4])
        return not own and any(name in data for name in self._names)

    def close(self) -> None:
        """Close the sockets."""
        self._links.close()
        self._rules.close()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _is_of_a_bridge(data: bytes) -> bool:
    """Say whether a bridge or a port of one changed that is not pynet's own; its own would ring at every creation."""
    return _BRIDGE in data and not any(prefix in data for prefix in _OWN)


def _heard(sock: socket.socket, matters: Callable[[bytes], bool]) -> bool:
    """Read what has come, and say whether any of it matters."""
    heard = False
    while True:
        try:
            heard |= matters(sock.recv(1 << 16))
        except BlockingIOError:
            return heard
        except OSError:
            return True  # ENOBUFS: messages were lost, so anything may have happened
