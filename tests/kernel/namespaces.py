"""Moving a thread from one network namespace into another."""

import ctypes
import os

CLONE_NEWNET = 0x40000000  # linux/sched.h
LIBC = ctypes.CDLL(None, use_errno=True)


def enter_fresh_namespace() -> None:
    """Move this thread into a new network namespace, in which even lo is down."""
    _call("unshare", CLONE_NEWNET)


def enter_namespace(descriptor: int) -> None:
    """Move this thread into the network namespace of an open file."""
    _call("setns", descriptor, CLONE_NEWNET)


def _call(name: str, *arguments: int) -> None:
    if getattr(LIBC, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
