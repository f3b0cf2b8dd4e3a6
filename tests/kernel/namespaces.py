"""Moving a thread from one namespace into another."""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000  # linux/sched.h
LIBC = ctypes.CDLL(None, use_errno=True)


def enter_fresh_namespace() -> None:
    """Move this thread into a new network namespace, in which even lo is down."""
    switch("unshare", CLONE_NEWNET)


def enter_namespace(descriptor: int) -> None:
    """Move this thread into the network namespace of an open file."""
    switch("setns", descriptor, CLONE_NEWNET)


def switch(name: str, *arguments: int) -> None:
    """Call ``unshare`` or ``setns``; raises ``OSError``."""
    if getattr(LIBC, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


class Elsewhere:
    """A thread in a fresh network namespace, which goes with it."""

    def __init__(self, name: str = "elsewhere") -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.do(enter_fresh_namespace)

    def do(self, call: Callable[[], T]) -> T:
        """Run ``call`` there."""
        return self._thread.submit(call).result()

    def end(self) -> None:
        """End the thread."""
        self._thread.shutdown()
