"""Allows one pynet for each state folder: two would give out the same addresses and fight over the same links."""

import fcntl
import os
import stat
import time
from pathlib import Path

import structlog

from netlink.errors import reason
from plugin.errors import Conflict, Failed

log = structlog.get_logger()

FILE = "lock"
PRIVATE = 0o600  # mode of every file in the folder
INTERVAL = 0.05  # seconds between two attempts: flock(2) knows no time limit


class StateLock:
    """A lock that is held. The kernel releases it when the process ends, however it ends.

    A forked child holds it as well (flock(2)), so a process that forks workers takes the lock in the worker.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_state(folder: Path, timeout: float = 5.0) -> StateLock:
    """Take the lock of a state folder, which is made if it is missing; wait ``timeout`` seconds for another holder.

    Raises:
        Conflict: another process holds it; the text names its pid.
        Failed: the folder cannot be written.
    """
    path = folder / FILE
    until = time.monotonic() + timeout
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(folder)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failed(f"open lock file '{path}': {reason(error)}") from error
    while not _try_lock(descriptor):
        if time.monotonic() >= until:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise Conflict(f"use state folder '{folder}': another pynet uses it, process {holder}")
        time.sleep(INTERVAL)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return StateLock(descriptor)


def _close_to_others(folder: Path) -> None:
    """Make the folder private: its records tell who talks to whom, and whoever writes them controls the network.

    An empty folder is new, and the engine makes that of a managed plugin open: nobody could have seen anything, so
    nobody is warned.
    """
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        folder.chmod(0o700)
        if not any(folder.iterdir()):
            return
        log.warning("state folder was open to others, closed", folder=str(folder), before=f"{mode:04o}", after="0700")
    for file in folder.iterdir():
        if file.is_file() and not file.is_symlink() and stat.S_IMODE(file.stat().st_mode) != PRIVATE:
            file.chmod(PRIVATE)  # older versions wrote some with the mode of the umask


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
