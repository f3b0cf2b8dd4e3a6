"""Messages that the kernel sends by itself, read as they come."""

import errno
import select
import socket
from collections.abc import Iterator

from netlink.wire import messages


def heard(sock: socket.socket, seconds: float | None = None) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, flags, body) of messages, for ever or until ``seconds`` have passed without any.

    Messages for which the socket had no room are lost, and nothing is raised.
    """
    while select.select([sock], [], [], seconds)[0]:
        try:
            data = sock.recv(1 << 16)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            continue
        yield from messages(data)
