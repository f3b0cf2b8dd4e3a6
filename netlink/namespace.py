"""A network namespace that lives for a moment, to try rules and links in it without touching the host."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from netlink import uapi
from netlink.errors import kernel_errors


@contextmanager
def scratch_namespace() -> Iterator[None]:
    """Move this thread into a fresh network namespace while the block runs.

    Raises:
        KernelError: ``Denied`` without CAP_SYS_ADMIN.
    """
    with kernel_errors("make a network namespace"), _away(lambda libc: libc.unshare(uapi.CLONE_NEWNET)):
        yield


@contextmanager
def _away(leave: Callable[[ctypes.CDLL], int]) -> Iterator[None]:
    """Let ``leave`` move this thread into another network namespace, and bring it back after the block."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(leave(libc))
        try:
            yield
        finally:
            _check(libc.setns(home, uapi.CLONE_NEWNET))
    finally:
        os.close(home)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def namespace_of(process: int) -> Iterator[None]:
    """Move this thread into the network namespace of a process while the block runs.

    Raises:
        KernelError: ``Missing`` if the process is gone, ``Denied`` without CAP_SYS_ADMIN.
    """
    with kernel_errors(f"enter the network namespace of process {process}"):
        there = os.open(f"/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            with _away(lambda libc: libc.setns(there, uapi.CLONE_NEWNET)):
                yield
        finally:
            os.close(there)
