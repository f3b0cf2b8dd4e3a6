"""One pynet a state folder: two would hand out the same address twice."""

import fcntl
import os
import time
from pathlib import Path

from plugin.errors import Conflict

PATIENCE = 5.0  # seconds for a pynet that was just told to stop


def lock_state(folder: Path, patience: float = PATIENCE) -> int:
    """Take the lock of ``folder`` for the life of this process and return its file descriptor.

    The kernel lets go of the lock when the process ends, however it ends (flock(2)).

    Raises:
        Conflict: another process still holds it after ``patience`` seconds; the text names its process id.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + patience
    while not _try(descriptor):
        if time.monotonic() > until:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise Conflict(f"state folder '{folder}' is in use by another pynet, process {holder}")
        time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
