"""Word from the kernel that a bridge came, went or got a port (rtnetlink(7)), or that nftables' rules changed."""

import select
import socket
from types import TracebackType

RTMGRP_LINK = 1  # linux/rtnetlink.h
NETLINK_NETFILTER, NFNLGRP_NFTABLES = 12, 7  # linux/netlink.h, linux/netfilter/nfnetlink.h
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
LINKS, RULES = "links", "rules"
_BRIDGE = b"bridge\0"  # IFLA_INFO_KIND of a bridge, IFLA_INFO_SLAVE_KIND of its ports


class Monitor:
    """Two sockets that hear changes; looking for a word costs less than decoding every message."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._links = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._links.bind((0, RTMGRP_LINK))
        self._rules = socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER)
        self._rules.bind((0, 0))
        self._rules.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to ``seconds``; say whether something happened to ``LINKS`` (bridges or their ports) or ``RULES``."""
        ready, _, _ = select.select([self._links, self._rules], [], [], seconds)
        heard = set()
        if self._links in ready and _heard(self._links, _BRIDGE):
            heard.add(LINKS)
        if self._rules in ready and _heard(self._rules, b""):
            heard.add(RULES)
        return frozenset(heard)

    def close(self) -> None:
        """Close the sockets."""
        self._links.close()
        self._rules.close()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _heard(sock: socket.socket, word: bytes) -> bool:
    """Read what has come, and say whether ``word`` is in it."""
    heard = False
    while True:
        try:
            heard |= word in sock.recv(1 << 16)
        except BlockingIOError:
            return heard
        except OSError:
            return True  # ENOBUFS: messages were lost, so anything may have happened
