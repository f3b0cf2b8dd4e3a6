"""Errors of the kernel, by kind. Only this folder reads errno."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


class KernelError(Exception):
    """The kernel refused; the text says what was tried and why it failed."""


class Missing(KernelError):
    """There is no such link, address, route, table or file; to a delete this is success."""


class Exists(KernelError):
    """The name or address is taken already."""


class InUse(KernelError):
    """Something else holds it at this moment."""


class Denied(KernelError):
    """The process lacks a capability, or the file system is read-only."""


class NotSupported(KernelError):
    """The kernel was built without this feature."""


_KINDS: dict[int, type[KernelError]] = {
    errno.ENOENT: Missing,
    errno.ENODEV: Missing,
    errno.ENXIO: Missing,
    errno.ESRCH: Missing,
    errno.EADDRNOTAVAIL: Missing,
    errno.EEXIST: Exists,
    errno.EADDRINUSE: Exists,
    errno.EBUSY: InUse,
    errno.EPERM: Denied,
    errno.EACCES: Denied,
    errno.EROFS: Denied,
    errno.EOPNOTSUPP: NotSupported,
    errno.EPROTONOSUPPORT: NotSupported,
    errno.EAFNOSUPPORT: NotSupported,
}

_REASONS = {  # for errnos whose own text explains nothing
    errno.EXFULL: "the bridge has 1,023 ports, the most that the kernel allows",  # find_portno, net/bridge/br_if.c
}


def kernel_error(action: str, number: int, detail: str = "") -> KernelError:
    """Return the error for errno ``number`` met while doing ``action`` ("add bridge 'pn-1'")."""
    kind = _KINDS.get(number, KernelError)
    return kind(f"{action}: {_REASONS.get(number) or detail or os.strerror(number).lower()}")


@contextmanager
def kernel_errors(action: str) -> Iterator[None]:
    """Translate an ``OSError`` into a ``KernelError`` that begins with ``action``."""
    try:
        yield
    except OSError as error:
        raise kernel_error(action, error.errno or 0, reason(error)) from error


def reason(error: OSError) -> str:
    """Return in lower case why a system call failed."""
    return (error.strerror or str(error)).lower()
