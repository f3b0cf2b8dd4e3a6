"""The file system of a guest: the part of this machine that the tests need, at the same places.

Python with its packages, the work tree and the commands of the kernel ring are copied from the machine, so that a test
runs in the guest as it would here. The kernel's modules come from its package, and every other command is busybox.
"""

import compileall
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from tests.engine.lab.engines import REQUIRED, SUITES, obtain
from tests.engine.lab.shell import run
from tests.vm.cpio import Archive
from tests.vm.inside import TESTS
from tests.vm.packages import Machinery

TREE = Path(__file__).parents[2]
PARTS = ("bench", "cli", "handlers", "netlink", "plugin", "spec", "tests", "tools")
COMMANDS = (
    "bridge",
    "dnsmasq",
    "ip",
    "nft",
    "nsenter",
    "ping",
    "setpriv",
    "sh",
    "ss",
    "sysctl",
    "tc",
    "tcpdump",
    "unshare",
)
SERVER = ("etcd", "curl")  # 21 MB, which only tests that say so need
# What an engine runs, and a throw-away host of the engine ring; 20.10 is the machine's own.
OF_ENGINES = (
    *("docker-init", "iptables", "ip6tables", "iptables-save", "ip6tables-save", "runc"),
    *("env", "getent", "hostname", "mount", "pivot_root", "umount"),
)
OWN_ENGINE = ("containerd", "containerd-shim-runc-v2", "docker", "docker-proxy", "dockerd")
EXTENSIONS = Path("/usr/lib/x86_64-linux-gnu/xtables")  # of iptables
MACHINE = "70796e65740000000000000000000001\n"  # without one every state folder would be another machine
FILES = ("group", "hosts", "nsswitch.conf", "passwd", "protocols", "services")  # of /etc
MODULES = ("arch", "block", "crypto", "drivers/net", "drivers/virtio", "fs/overlayfs", "lib", "net")
# Large, and of no use to a test.
NOT_OF_PYTHON = {"dist-packages", "ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tkinter", "turtledemo"}
NOT_OF_PACKAGES = {"ast_serialize", "grimp", "hypothesis", "librt", "mypy", "mypyc", "pip", "setuptools"}

# The kernel's first file system cannot be left with pivot_root(2), as an engine does for each container; one that is
# bound over it can.
INIT = """#!/bin/busybox sh
if [ "$1" != again ]; then
    busybox mount --bind / /mnt
    cd /mnt
    busybox mount --move . /
    exec busybox chroot . /init again
fi
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root SLOWNESS=3
busybox mkdir -p /proc /sys /dev /run /tmp
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs dev /dev
busybox mount -t cgroup2 cgroup /sys/fs/cgroup
busybox mkdir -p /dev/shm /run/netns
busybox mount -t tmpfs shm /dev/shm
busybox mount -t tmpfs tmp /tmp
exec </dev/null >/dev/ttyS0 2>&1
# No message of the kernel may begin in the middle of a line of ours.
echo 1 >/proc/sys/kernel/printk
busybox stty -F /dev/ttyS0 raw -echo
cd {tree}
{python} -m "${{PROGRAM:-tests.vm.inside}}"
# What it said has to be sent before the machine is gone.
busybox sleep 1
busybox reboot -f
"""


def build(machinery: Machinery, image: IO[bytes], tests: Sequence[str], *commands: str) -> None:
    """Write the archive of which the guest's kernel makes its file system, with more ``commands`` of this machine."""
    archive = Archive(image)
    for name in ("bin", "sbin", "lib", "lib64"):
        if (there := Path("/", name)).is_symlink():
            archive.link(there, str(there.readlink()))
    for empty in ("/mnt", "/var/tmp"):
        archive.folder(Path(empty))
    archive.text("/init", INIT.format(tree=TREE, python=sys.executable))
    archive.text(str(TESTS), "\n".join(tests))
    archive.text("/etc/machine-id", MACHINE)
    _add_modules(archive, machinery)
    _add_tree(archive)
    _add_python(archive)
    more = SERVER if any("etcd" in test for test in tests) else ()
    _add_commands(archive, machinery, (*commands, *more, *_add_engines(archive, tests)))
    for name in FILES:
        if (there := Path("/etc", name)).exists():
            archive.file(there, there)
    archive.close()


def _add_modules(archive: Archive, machinery: Machinery) -> None:
    with TemporaryDirectory(prefix="pynet-modules-") as work:
        folder = Path(work, "lib/modules", machinery.release)
        for name in MODULES:
            shutil.copytree(machinery.modules / "kernel" / name, folder / "kernel" / name)
        for listing in machinery.modules.glob("modules.*"):
            shutil.copy(listing, folder)
        run(machinery.busybox, "depmod", "-b", work, machinery.release)
        archive.tree(folder, Path("/lib").resolve() / "modules" / machinery.release)


def _add_tree(archive: Archive) -> None:
    compileall.compile_dir(TREE / "tests", quiet=2)
    for name in PARTS:
        archive.tree(TREE / name)
    for name in ("setup.cfg", "pyproject.toml"):
        archive.file(TREE / name, TREE / name)


def _add_python(archive: Archive) -> None:
    program, places = Path(sys.executable).resolve(), sysconfig.get_paths()
    archive.file(program, program)
    here = Path(sys.prefix)
    for name in (sys.executable, (here / "bin/pynet").read_text().splitlines()[0].removeprefix("#!")):
        archive.link(Path(name), str(program))
    for path in (here / "pyvenv.cfg", here / "bin/pynet"):
        archive.file(path, path)
    archive.tree(Path(places["stdlib"]), without=NOT_OF_PYTHON | {Path(sysconfig.get_config_var("LIBPL")).name})
    archive.tree(Path(places["purelib"]), without=NOT_OF_PACKAGES)


def _add_engines(archive: Archive, tests: Sequence[str]) -> Sequence[str]:
    """Add the engines whose versions are in the names of tests, and return the commands that they need."""
    labels = engines_of(tests)
    for tree in [engine.tree for engine in map(obtain, labels) if engine.tree]:
        archive.tree(tree)
    if labels:
        archive.tree(EXTENSIONS)
    own = OWN_ENGINE if REQUIRED in labels else ()
    return (*own, *OF_ENGINES) if labels else ()


def engines_of(tests: Sequence[str]) -> Sequence[str]:
    """Return the versions of engines that are parameters of tests."""
    return [label for label in SUITES if any(f"[{label}" in test for test in tests)]


def _add_commands(archive: Archive, machinery: Machinery, more: Sequence[str]) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    programs = [Path(found) for name in (*COMMANDS, *more) if (found := shutil.which(name, path=path))]
    for program in programs:
        archive.file(_place(program), program)
    for library in _libraries([Path(sys.executable).resolve(), *programs, *archive.libraries]):
        archive.file(_place(library), library)
    archive.file(Path("/bin").resolve() / "busybox", machinery.busybox)
    for applet in run(machinery.busybox, "--list-full").splitlines():
        archive.link(_place(Path("/", applet)), "/bin/busybox")


def _libraries(programs: list[Path]) -> set[Path]:
    done = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False)  # 1: one needs none
    words = done.stdout.split()
    return {Path(word) for word in words if word.startswith("/") and not word.endswith(":")}


def _place(path: Path) -> Path:
    return path.parent.resolve() / path.name
