"""Looks at the state folder: its permissions, and the room on its disk."""

import os
import pwd
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from netlink.errors import reason
from netlink.sysctl import FORWARDING
from plugin.doctor.facts import State
from plugin.errors import PynetError
from plugin.host.sysctls import needed
from plugin.model.records import Network
from plugin.store.sqlite.files import companions
from plugin.store.sqlite.lockfile import FILE
from plugin.store.sqlite.schema import MIGRATIONS
from plugin.store.sqlite.store import read_records

DAC_OVERRIDE = 1 << 1  # CAP_DAC_OVERRIDE (linux/capability.h), which pynet gives up
FULL = 1 << 20  # bytes: a transaction with its log needs less, and a disk this full does not stay so


def look_at_state(database: Path, networks: Iterable[Network]) -> State:
    """Look at the folder of ``database``; raises PermissionError if this user may not."""
    folder = database.parent
    routed = {version for network in networks for version, path in FORWARDING.items() if path in needed(network)}
    try:
        mode, disk = folder.stat().st_mode, os.statvfs(folder)
    except FileNotFoundError:
        return State(str(folder))  # pynet makes it
    except PermissionError:
        raise
    except OSError as error:
        return State(str(folder), problem=f"look at state folder '{folder}': {reason(error)}")
    if database.exists() and not os.access(database, os.R_OK):
        raise PermissionError(str(database))
    return State(
        folder=str(folder),
        problem=_problem(database),
        open_to_others=bool(mode & 0o077),
        free=disk.f_bavail * disk.f_frsize,
        full=_full(disk),
        locked=tuple(_locked(database)),
        routed=frozenset(routed),
    )


def _full(disk: os.statvfs_result) -> str:
    if disk.f_bavail * disk.f_frsize < FULL:
        return "room"
    return "inodes" if disk.f_files and not disk.f_favail else ""  # some file systems count none


def _locked(database: Path) -> Iterator[tuple[str, str]]:
    """Yield the paths that the running pynet may not write, and why; it has given up root's right to ignore modes."""
    folder = database.parent
    user, passes_over = _server(folder)
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        yield str(folder), "lies on a file system that is read-only"
    elif not passes_over:
        for path in (folder, database, *companions(database), folder / FILE):
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            if not _may_write(found, user):
                yield str(path), f"belongs to '{_name(found.st_uid)}' with mode {stat.S_IMODE(found.st_mode):04o}"


def _server(folder: Path) -> tuple[int, bool]:
    """Return the user of the running pynet, and whether it ignores permissions; (root, False) if none runs."""
    try:
        process = Path("/proc") / str(int((folder / FILE).read_text()))
        if b"pynet" not in (process / "cmdline").read_bytes():
            return 0, False
        lines = (process / "status").read_text().splitlines()
        have = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
        return process.stat().st_uid, bool(have & DAC_OVERRIDE)
    except (OSError, ValueError, StopIteration):
        return 0, False


def _may_write(found: os.stat_result, user: int) -> bool:
    """Return whether ``user`` may write (and enter, if it is a folder); only the group of root is considered."""
    needed_bits = 0o7 if stat.S_ISDIR(found.st_mode) else 0o6
    shift = 6 if found.st_uid == user else 3 if found.st_gid == user else 0
    return found.st_mode >> shift & needed_bits == needed_bits


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _problem(database: Path) -> str:
    """Return why the store cannot be used, "" when it can."""
    if not database.exists():
        return ""
    try:
        read_records(database, Network)
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
    except (PynetError, sqlite3.Error, OSError) as error:
        return str(error)
    if version > len(MIGRATIONS):
        return f"'{database}' was written by a newer pynet (version {version}, this one reads up to {len(MIGRATIONS)})"
    return ""
