"""Tells which engine a network belongs to, as several engines may share one pynet.

An engine is known by its process, the peer of the connection. A network belongs to the engine that named it last, for
as long as that process lives: a restarted engine is a new process, and finds its networks free to be its own. Nothing
is stored, so after a restart of pynet a network belongs to nobody until its engine names it. A managed plugin has
process ids of its own and cannot tell its callers apart: to it all of them are nobody.
"""

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

NOBODY = 0

_caller: ContextVar[int] = ContextVar("pynet_caller", default=NOBODY)


@contextmanager
def called_by(pid: int) -> Iterator[None]:
    """Make the process ``pid`` the caller of everything in the block."""
    token = _caller.set(pid)
    try:
        yield
    finally:
        _caller.reset(token)


class Process:
    """A process by its pidfd, so that a later process with the same id is not taken for it (pidfd_open(2))."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)
        self._poll = select.poll()  # select(2) takes no descriptor above 1,023, and each published port is one
        self._poll.register(self._descriptor, select.POLLIN)

    @property
    def lives(self) -> bool:
        """Whether it has not ended."""
        return not self._poll.poll(0)

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):  # it was never opened
            os.close(self._descriptor)


class Engines:
    """Remembers the engine that named each network last; may be used from any thread."""

    def __init__(self, find: Callable[[int], Process] = Process) -> None:
        self._find = find
        self._lock = threading.Lock()  # guards the two below
        self._processes: dict[int, Process] = {}
        self._owners: dict[str, Process] = {}  # by network id

    def note(self, network_id: str) -> None:
        """Note that the caller named a network of its own."""
        pid = _caller.get()
        with self._lock:
            process = self._process(pid) if pid != NOBODY else None
            if process is not None:
                self._owners[network_id] = process

    def forget(self, network_id: str) -> None:
        """Forget a network that is gone."""
        with self._lock:
            self._owners.pop(network_id, None)

    def other(self, network_id: str) -> int:
        """Return the process id of the engine that owns a network if it is not the caller, else 0."""
        with self._lock:
            owner = self._owners.get(network_id)
            return owner.pid if owner and _caller.get() not in (NOBODY, owner.pid) and owner.lives else NOBODY

    def _process(self, pid: int) -> Process | None:
        """Return the process, None if the kernel does not show it."""
        known = self._processes.get(pid)
        if known is None or not known.lives:
            self._processes = {other: process for other, process in self._processes.items() if process.lives}
            try:
                self._processes[pid] = self._find(pid)
            except OSError:
                return None
        return self._processes[pid]
