"""Trees of files as tar archives that are the same whenever, wherever and by whomever they are made."""

import tarfile
from collections.abc import Iterable
from pathlib import Path

EPOCH = 1_700_000_000  # seconds; any time will do that is always the same
# What the engine puts into every container, and what a plugin gets from it anyway.
OF_THE_ENGINE = (".dockerenv", "dev/", "proc/", "sys/", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab")


def normalise(exported: Path, target: Path) -> None:
    """Rewrite the tar archive ``exported`` without the engine's files: sorted, owned by root, all of one time."""
    with tarfile.open(exported) as source, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as out:
        members = {member.name.removeprefix("./").strip("/"): member for member in source.getmembers()}
        for name in sorted(members):
            if not name or name == "." or name.startswith(OF_THE_ENGINE):
                continue
            member = members[name]
            out.addfile(_plain(member, name), source.extractfile(member) if member.isreg() else None)


def pack(folder: Path, target: Path) -> None:
    """Write the tree below ``folder`` in the same way."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as out:
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            entry = _plain(out.gettarinfo(path, name), name)
            if entry.isreg():
                with path.open("rb") as file:
                    out.addfile(entry, file)
            else:
                out.addfile(entry)


def _plain(member: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    plain = tarfile.TarInfo(name)
    plain.type, plain.linkname, plain.size = member.type, member.linkname, member.size
    plain.mode, plain.mtime = member.mode & 0o7777, EPOCH
    if member.islnk():  # files that were one are two: who unpacks need not know about them
        raise ValueError(f"{name} is a hard link")
    return plain


def sizes(files: Iterable[Path]) -> int:
    """Return the bytes of ``files``, links not counted."""
    return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())
