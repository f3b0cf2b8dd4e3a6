"""The owner of a unix socket, whether it listens or not (sock_diag(7)); pyroute2 does not read UNIX_DIAG_UID."""

import socket

from netlink import uapi
from netlink.deadline import remaining
from netlink.request import PATIENCE
from netlink.wire import attributes, check, error_number, message, messages, number

ANY_STATE = 0xFFFFFFFF


def unix_user(name: bytes) -> int | None:
    """Return the user id of the socket bound to ``name``; None without one, and if the kernel does not tell.

    Raises:
        OSError: the kernel does not answer.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, uapi.NETLINK_SOCK_DIAG) as sock:
        sock.settimeout(remaining(PATIENCE))
        show = uapi.UDIAG_SHOW_NAME | uapi.UDIAG_SHOW_UID
        asked = uapi.UNIX_DIAG_REQ.pack(socket.AF_UNIX, 0, 0, ANY_STATE, 0, show, 0, 0)
        sock.send(message(uapi.SOCK_DIAG_BY_FAMILY, uapi.NLM_F_DUMP, asked))
        found: int | None = None
        while True:
            for kind, _, body in messages(sock.recv(1 << 17)):
                if kind == uapi.NLMSG_DONE:
                    return found
                if kind == uapi.NLMSG_ERROR:
                    check(error_number(body))
                facts = dict(attributes(body[uapi.UNIX_DIAG_MSG :]))
                if facts.get(uapi.UNIX_DIAG_NAME) == name and uapi.UNIX_DIAG_UID in facts:
                    found = number(facts[uapi.UNIX_DIAG_UID])
