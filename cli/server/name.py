"""Allows one pynet of a name in a network namespace. Two would take each other's links for leftovers and delete them.

The lock of the state folder does not help: links and tables belong to the network namespace, and folders do not. An
abstract unix socket does (unix(7)). The process that has bound it is the pynet of that name, and the kernel frees it
when the process ends.
"""

import errno
import os
import socket
import struct
import time
from contextlib import suppress

import structlog

from netlink.listeners import unix_user
from plugin.errors import Conflict, Failed
from plugin.model.names import lock_address

log = structlog.get_logger()

PATIENCE = 5.0  # seconds for a pynet that was just killed to end
INTERVAL = 0.05  # seconds between two attempts
BACKLOG = 16  # connections that ask for the process; nobody accepts them
_PEER = struct.Struct("=iII")  # struct ucred: process, user, group


def hold_name(name: str, patience: float = PATIENCE) -> int:
    """Return the descriptor of a socket that keeps ``name`` until it is closed; wait ``patience`` seconds for the name.

    Any user can bind such a socket, but must not be able to keep pynet from starting. So a socket of another user only
    causes a warning; pynet then starts without the name.

    Raises:
        Conflict: another pynet has the name; the text names its process, as far as that is known.
    """
    address = lock_address(name).decode()
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    until = time.monotonic() + patience
    while not _bind(holder, address):
        if time.monotonic() >= until:
            process, user = _who_has(address)
            if user not in (None, os.geteuid()):
                log.warning("name of this pynet is held by a process of another user", name=name, user=user)
                break
            holder.close()
            raise Conflict(
                f"serve driver '{name}': another pynet of that name runs in this network namespace, process "
                f"{process or 'unknown'}, and each would delete the other's networks; stop it, or name the socket of "
                "this one otherwise (PYNET_SOCKET)"
            )
        time.sleep(INTERVAL)
    return holder.detach()


def _bind(holder: socket.socket, address: str) -> bool:
    try:
        holder.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise Failed(f"bind the socket that keeps a pynet's name: {error.strerror or error}") from error
        return False
    holder.listen(BACKLOG)
    return True


def _who_has(address: str) -> tuple[int, int | None]:
    """Return process and user of the socket ``address``; 0 and None where they are not known.

    The kernel tells the user of every socket, and the process of a socket that listens and accepts one more connection.
    """
    user: int | None = None
    process = 0
    with suppress(OSError):
        user = unix_user(address.encode())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        client.connect(address)
        process, peer, _ = _PEER.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        user = peer if user is None else user
    return process, user
