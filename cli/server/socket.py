"""Binds the sockets, before anything heavy is imported: the engine's first call then waits in the backlog.

A managed plugin whose socket does not accept within 0.5 s costs the engine 3 s (moby plugin manager, pluginPostStart).
"""

import logging
import os
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from netlink.errors import reason
from plugin.errors import Conflict, InvalidRequest

log = logging.getLogger(__name__)

BACKLOG = 1024
PATIENCE = 3.0  # seconds for a pynet that was just killed to release its socket


def bind_socket(path: Path, patience: float = PATIENCE) -> socket.socket:
    """Return a listening unix socket at ``path``, mode 0600; the file of a dead socket is replaced.

    Raises:
        Conflict: another process answers there.
        InvalidRequest: the file is no socket, or the path is too long.
    """
    _prepare_folder(path)
    _remove_dead(path, patience)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise InvalidRequest(f"listen on '{path}': {error.strerror or error}") from error
    finally:
        os.umask(mask)
    listener.listen(BACKLOG)
    return listener


def _prepare_folder(path: Path) -> None:
    """Make the socket's folder, mode 0755; warn of one that others can write, because they can replace the socket."""
    folder = path.parent
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o755)
        mode = folder.stat().st_mode
    except OSError as error:
        raise InvalidRequest(f"listen on '{path}': {reason(error)}") from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        log.warning("folder '%s' can be written by others than its owner, who can replace the socket in it", folder)


@contextmanager
def bound_sockets(paths: Sequence[Path]) -> Iterator[list[int]]:
    """Bind sockets as ``bind_socket`` does, and yield their descriptors, which the caller closes.

    Their files are always removed at the end: each call to a dead socket costs the engine 15 s.
    """
    bound: list[tuple[Path, tuple[int, int]]] = []
    descriptors = []
    parent = os.getpid()
    try:
        for path in paths:
            descriptors.append(bind_socket(path).detach())
            bound.append((path, _identity(path)))
        yield descriptors
    finally:
        if os.getpid() == parent:  # a forked child ends this block too
            for path, identity in bound:
                with suppress(OSError):
                    if _identity(path) == identity:  # not the next pynet's
                        path.unlink()


def _identity(path: Path) -> tuple[int, int]:
    """Return a value that a later file of the same name does not have, even where inode numbers are reused at once."""
    facts = path.stat()
    return facts.st_ino, facts.st_mtime_ns


def _remove_dead(path: Path, patience: float) -> None:
    until = time.monotonic() + patience
    while path.exists():
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise InvalidRequest(f"listen on '{path}': there is a file that is no socket")
        if not _answers(path):
            path.unlink(missing_ok=True)
        elif time.monotonic() > until:
            raise Conflict(f"listen on '{path}': another process answers there")
        else:
            time.sleep(0.05)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
        return True
