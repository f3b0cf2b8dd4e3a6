"""An image of busybox, made on the spot: no registry is needed."""

import io
import shutil
import tarfile
from pathlib import Path

from tests.engine.lab.cli import Docker
from tests.engine.lab.shell import run

NAME = "busybox"
FOLDERS = ("bin", "etc", "proc", "sys", "dev", "tmp", "root", "www")
FILES = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "www/index.html": "hello\n"}


def load(docker: Docker) -> None:
    """Give the engine the image ``busybox``: a shell, ping, nc, wget, httpd and ip."""
    environment = ("--change", "ENV PATH=/bin", "--change", 'CMD ["sleep", "86400"]')
    docker("import", *environment, "-", NAME, stdin=_root())


def _root() -> bytes:
    busybox = Path(shutil.which("busybox") or "/bin/busybox").resolve()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in FOLDERS:
            tar.addfile(_entry(folder, type=tarfile.DIRTYPE))
        program = busybox.read_bytes()
        tar.addfile(_entry("bin/busybox", size=len(program)), io.BytesIO(program))
        for applet in run(busybox, "--list").split():
            if applet != "busybox":
                tar.addfile(_entry(f"bin/{applet}", type=tarfile.SYMTYPE, linkname="busybox"))
        for name, text in FILES.items():
            tar.addfile(_entry(name, size=len(text)), io.BytesIO(text.encode()))
    return buffer.getvalue()


def _entry(name: str, **values: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode = 0o755
    for key, value in values.items():
        setattr(entry, key, value)
    return entry
