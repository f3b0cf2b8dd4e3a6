"""Word from the kernel that a bridge came, went or got a port (rtnetlink(7), group RTNLGRP_LINK)."""

import socket
from types import TracebackType

RTMGRP_LINK = 1  # linux/rtnetlink.h
_BRIDGE = b"bridge\0"  # IFLA_INFO_KIND of a bridge, IFLA_INFO_SLAVE_KIND of its ports


class LinkMonitor:
    """A socket that hears link changes; looking for a word costs less than decoding every message."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, RTMGRP_LINK))

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds``; say whether something happened to a bridge or to a port of one."""
        self._socket.settimeout(seconds)
        try:
            return _BRIDGE in self._socket.recv(1 << 16)
        except TimeoutError:
            return False
        except OSError:
            return True  # ENOBUFS: messages were lost, so anything may have happened

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def __enter__(self) -> "LinkMonitor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
