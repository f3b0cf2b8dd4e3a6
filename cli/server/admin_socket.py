"""Binds the socket of pynet's own commands: members of a group may open it, and only root may change something by it.

It is a file and not an abstract socket, which every container with the host's network could open (CVE-2020-15257).
Under systemd pynet may not change the group of a file, and in a managed plugin it does not know the host's groups.
There the socket's folder has the group and the set-group-ID bit, so that the socket has it from its first moment.

pynet serves the engine without this socket too: a folder that cannot be written must not take networks away.
"""

import grp
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cli.server.socket import bound_sockets
from netlink.errors import reason
from netlink.values import dataclass
from plugin.errors import PynetError


@dataclass(frozen=True, slots=True)
class AdminSocket:
    """The bound socket: ``closed`` says why it is for root alone, ``missing`` why there is none; each may be ""."""

    path: Path
    descriptors: tuple[int, ...] = ()
    closed: str = ""
    missing: str = ""


@contextmanager
def admin_socket(path: Path, group: str) -> Iterator[AdminSocket]:
    """Bind the socket at ``path``, mode 0660 for ``group``, a name or a number; remove its file at the end."""
    with ExitStack() as stack:
        missing = ""
        descriptors: list[int] = []
        try:
            descriptors = stack.enter_context(bound_sockets([path]))
        except PynetError as error:
            missing = str(error)
        closed = open_to(path, group) if descriptors else ""
        yield AdminSocket(path, tuple(descriptors), closed, missing)


def open_to(path: Path, group: str) -> str:
    """Let ``group`` use the socket at ``path``; return why not, "" if it may or if no group is wanted."""
    if not group:
        return ""
    try:
        found = path.stat().st_gid
        number = _number(group, found)
        if number is None:
            return f"there is no group '{group}'"
        if found != number:
            os.chown(path, -1, number)
        path.chmod(0o660)
    except OSError as error:
        return f"give '{path}' to group '{group}': {reason(error)}"
    return ""


def _number(group: str, found: int) -> int | None:
    """Return the number of a group; an unknown name is that of the folder, if it gave its group ``found`` to the file.

    A managed plugin does not know the names of the host's groups.
    """
    if group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None if found == os.getegid() else found
