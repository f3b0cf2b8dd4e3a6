"""Exit codes of ``pynet``, after sysexits.h: a service manager does not retry what only a person can fix."""

from netlink.errors import KernelError
from plugin.errors import Conflict, Incompatible, InvalidRequest, Unprivileged

NEWER_STATE, KERNEL, TAKEN, PRIVILEGES, SETTINGS, OTHER = 65, 71, 75, 77, 78, 1
FOR_A_PERSON = frozenset({NEWER_STATE, PRIVILEGES, SETTINGS})  # RestartPreventExitStatus= of pynet.service

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (Incompatible, NEWER_STATE),
    (Conflict, TAKEN),
    (Unprivileged, PRIVILEGES),
    (InvalidRequest, SETTINGS),
)


def exit_code(error: Exception) -> int:
    """Return the exit code for the kind of ``error``."""
    if isinstance(error, KernelError):
        return KERNEL
    return next((code for kind, code in _CODES if isinstance(error, kind)), OTHER)
