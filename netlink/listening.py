"""Messages that the kernel sends by itself, read as they come."""

import errno
import select
import socket
from collections.abc import Callable, Collection, Iterator

from netlink import uapi
from netlink.wire import messages

MOST = 1000  # messages that are read at once, if they do not end


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


def drained(
    sock: socket.socket, of: Callable[[bytes], Collection[str]], lost: Collection[str], most: int = MOST
) -> set[str]:
    """Read what has come to a socket that does not block, and return what it means, as ``of`` tells.

    ``lost`` is the meaning of messages for which the socket had no room. At most ``most`` are read, if they do not end.
    """
    found: set[str] = set()
    for _ in range(most):
        try:
            found.update(of(sock.recv(1 << 16)))
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            found.update(lost)
    return found


def make_room(sock: socket.socket, size: int) -> None:
    """Give a socket room for ``size`` bytes of messages; without the right to that, as much as anybody gets."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
