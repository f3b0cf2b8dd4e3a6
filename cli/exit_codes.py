"""Exit codes of ``pynet``: findings are 1 and 2, and errors have the numbers of sysexits.h, to be told apart.

A service manager does not repeat a start that only a person can mend (``FOR_A_PERSON``).
"""

from collections.abc import Mapping

from netlink.errors import KernelError
from plugin.errors import Conflict, Failed, Incompatible, InvalidRequest, NotFound, Unprivileged

DONE, FOUND, FOUND_ERROR = 0, 1, 2
USAGE, NEWER_STATE, NOT_SERVING, DEFECT, KERNEL = 64, 65, 69, 70, 71
FAILED, TAKEN, PRIVILEGES, SETTINGS = 74, 75, 77, 78
INTERRUPTED = 130  # 128 and SIGINT, as shells say it
FOR_A_PERSON = frozenset({NEWER_STATE, PRIVILEGES, SETTINGS})  # RestartPreventExitStatus= of pynet.service

MEANINGS: Mapping[int, str] = {
    DONE: "It is done, and nothing is wrong.",
    FOUND: "Something was found: a warning (doctor), something that cannot be repaired (status), a repair that is due "
    "or failed (reconcile), a problem (cluster status). Or what was named does not exist, as with docker port.",
    FOUND_ERROR: "The doctor found an error.",
    USAGE: "The command line is wrong: an unknown command, option, filter or template, or a missing argument.",
    NEWER_STATE: "A newer pynet wrote the state.",
    NOT_SERVING: "No pynet runs, or it does not answer.",
    DEFECT: "A defect of pynet; the traceback says where.",
    KERNEL: "The kernel refused.",
    FAILED: "It could not be done: a file cannot be read or written, or the engine, the cluster store or the running "
    "pynet refuses. The sentence says why.",
    TAKEN: "Another has it: a second pynet with the same socket or state, a pynet that has to be stopped, or a "
    "container or program with the port or address that was asked for.",
    PRIVILEGES: "Not permitted: this user may not do it, or a capability is missing.",
    SETTINGS: "A setting is bad, unknown or missing.",
    INTERRUPTED: "Interrupted by Ctrl-C.",
}


class BadUsage(InvalidRequest):
    """The command line cannot be understood, such as a filter or a template in it."""


class Unreachable(Failed):
    """No pynet runs, or the one that runs does not answer."""


_CODES: tuple[tuple[type[Exception], int], ...] = (  # the first that fits
    (BadUsage, USAGE),
    (Unreachable, NOT_SERVING),
    (Incompatible, NEWER_STATE),
    (NotFound, FOUND),
    (Conflict, TAKEN),
    (Unprivileged, PRIVILEGES),
    (PermissionError, PRIVILEGES),
    (InvalidRequest, SETTINGS),
    (KernelError, KERNEL),
)


def exit_code(error: Exception) -> int:
    """Return the exit code for the kind of ``error``."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def table() -> str:
    """Return the table of exit codes in Markdown."""
    return "\n".join(["| code | meaning |", "|---|---|", *(f"| {code} | {text} |" for code, text in MEANINGS.items())])
