"""Hears of routes and addresses that come, so that a host's routes are listed once and not for each new network."""

import errno
import socket
import threading

from netlink import uapi
from netlink.errors import kernel_errors
from netlink.wire import messages

GROUPS = uapi.RTMGRP_IPV4_ROUTE | uapi.RTMGRP_IPV6_ROUTE | uapi.RTMGRP_IPV4_IFADDR | uapi.RTMGRP_IPV6_IFADDR
ROOM = 1 << 20  # bytes of messages that wait to be read


class Arrivals:
    """A socket that collects notifications; nobody reads them until ``take``. May be used from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards _sock
        self._sock: socket.socket | None = None

    def take(self) -> list[tuple[int, bytes]] | None:
        """Return the types and bodies of the messages since the last call.

        None means that the caller must list everything: at the first call, and after messages were lost.

        Raises:
            KernelError: the socket cannot be opened.
        """
        with self._guard, kernel_errors("listen for routes"):
            if self._sock is None:
                self._sock = _open()
                return None
            found: list[tuple[int, bytes]] = []
            lost = False
            while True:
                try:
                    answer = self._sock.recv(1 << 16)
                except BlockingIOError:
                    return None if lost else found
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    lost = True
                else:
                    found += [(kind, body) for kind, _, body in messages(answer)]

    def close(self) -> None:
        """Stop listening."""
        with self._guard:
            sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()


def _open() -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    sock = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
    try:
        sock.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, ROOM)
        sock.bind((0, GROUPS))
    except BaseException:
        sock.close()
        raise
    return sock
