"""Whose a unix socket is (sock_diag(7)): the kernel tells the user, whether it listens or not.

Layout: ``struct unix_diag_req``, ``struct unix_diag_msg`` and UNIX_DIAG_* (linux/unix_diag.h).
"""

import os
import socket
import struct

from netlink.deadline import remaining
from netlink.dump import PATIENCE
from netlink.wire import (
    NLM_F_DUMP,
    NLMSG_DONE,
    NLMSG_ERROR,
    ORDER,
    attributes,
    error_number,
    message,
    messages,
    number,
)

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
SHOW_NAME, SHOW_UID, ANY_STATE = 0x01, 0x40, 0xFFFFFFFF
DIAG_NAME, DIAG_UID = 0, 7
_REQUEST = struct.Struct(f"{ORDER}BBHIIIII")  # family, protocol, padding, states, inode, what to show, cookie
_ANSWER = 16  # bytes of struct unix_diag_msg


def unix_user(name: bytes) -> int | None:
    """Return the user id of the socket bound to ``name``; None without one, and where the kernel does not tell.

    Raises:
        OSError: the kernel does not answer.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as sock:
        sock.settimeout(remaining(PATIENCE))
        asked = _REQUEST.pack(socket.AF_UNIX, 0, 0, ANY_STATE, 0, SHOW_NAME | SHOW_UID, 0, 0)
        sock.send(message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, asked))
        found: int | None = None
        while True:
            for kind, _, body in messages(sock.recv(1 << 17)):
                if kind == NLMSG_DONE:
                    return found
                if kind == NLMSG_ERROR:
                    raise OSError(error_number(body), os.strerror(error_number(body)))
                facts = dict(attributes(body[_ANSWER:]))
                if facts.get(DIAG_NAME) == name and DIAG_UID in facts:
                    found = number(facts[DIAG_UID])
