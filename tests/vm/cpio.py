"""Archives of cpio in the kernel's form, "newc", of which the kernel makes its first file system.

The form is told by Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
"""

import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import IO

USELESS = (".a", ".opt-1.pyc", ".opt-2.pyc", ".pyi", "__mypyc.cpython-311-x86_64-linux-gnu.so")
FOLDER, LINK = stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777


class Archive:
    """Writes an archive; makes the folders above each file by itself, and leaves a path that it has as it is.

    Attributes:
        libraries: the shared objects among the files.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._known = out, {Path("/")}
        self.libraries: list[Path] = []

    def folder(self, path: Path) -> None:
        """Add a folder."""
        self._add(path, FOLDER)

    def file(self, path: Path, source: Path) -> None:
        """Add a file with the content, mode and time of one of ours."""
        state = source.stat()
        if ".so" in source.suffixes:
            self.libraries.append(source)
        self._add(path, stat.S_IFREG | (state.st_mode & 0o777), source.read_bytes(), int(state.st_mtime))

    def text(self, path: str, content: str) -> None:
        """Add a program with this text."""
        self._add(Path(path), stat.S_IFREG | 0o755, content.encode())

    def link(self, path: Path, target: str) -> None:
        """Add a symbolic link."""
        self._add(path, LINK, target.encode())

    def tree(self, source: Path, path: Path | None = None, without: Collection[str] = ()) -> None:
        """Add a folder of ours, at the same place or at ``path``, but not the files and folders with these names."""
        place = path or source
        for entry in os.scandir(source):
            if entry.name in without or entry.name.endswith(USELESS):
                continue
            if entry.is_dir(follow_symlinks=False):
                self.tree(Path(entry.path), place / entry.name, without)
            elif entry.is_symlink():
                self.link(place / entry.name, str(Path(entry.path).readlink()))
            elif entry.is_file():
                self.file(place / entry.name, Path(entry.path))

    def close(self) -> None:
        """Write the end."""
        self._write("TRAILER!!!", 0, b"", 0)

    def _add(self, path: Path, mode: int, content: bytes = b"", changed: int = 0) -> None:
        if path in self._known:
            return
        if path.parent not in self._known:
            self.folder(path.parent)
        self._known.add(path)
        self._write(str(path).lstrip("/"), mode, content, changed)

    def _write(self, name: str, mode: int, content: bytes, changed: int) -> None:
        inode = len(self._known)  # files with one number would be hard links
        label = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, changed, len(content), 0, 0, 0, 0, len(label), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + label
        self._out.write(head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4))
