"""A network namespace to try things in, which is gone when they have been tried."""

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

from netlink.errors import kernel_errors

T = TypeVar("T")
CLONE_NEWNET = 0x40000000  # linux/sched.h


def in_new_namespace(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread of its own, in a network namespace that nobody else is in, and return its result.

    The namespace ends with the thread and the sockets that it opened.

    Raises:
        KernelError: no namespace can be made; and whatever ``work`` raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            _leave_namespace()
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - handed on to the caller
            errors.append(error)

    thread = threading.Thread(target=run, name="namespace")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _leave_namespace() -> None:
    with kernel_errors("make a network namespace"):
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
