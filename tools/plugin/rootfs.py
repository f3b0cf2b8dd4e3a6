"""Runs in the base image: puts pynet, its packages and the parts of Python that it needs into an empty folder.

    python3 -m tools.plugin.rootfs packages FOLDER
    python3 -m tools.plugin.rootfs pynet FOLDER

Two steps, so that the engine's cache keeps the first one while only pynet changes. What stands in the folder depends on
nothing but the base, the lock file and the sources: the order of files, times and the seed of hashes are fixed, so that
two builds are the same to the byte.
"""

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.plugin import bill
from tools.plugin.contents import (
    BILL,
    COMMAND,
    GUIDE,
    SITE,
    UNUSED_EXTENSIONS,
    UNUSED_FILES,
    UNUSED_MODULES,
    UNUSED_PACKAGES,
    UNUSED_SUFFIXES,
)

REPOSITORY = Path(__file__).parents[2]
LOCK, WHEELS = REPOSITORY / "requirements.lock", REPOSITORY / "build/wheels"
# -I and -S: nothing but what is here; -OO: without the texts of docstrings, 4 MB of memory less.
START = f"""#!/usr/bin/python3 -ISOO
import sys
sys.path.insert(0, "/{SITE}")
from cli.start import main
main()
"""
MERGED = ("bin", "sbin", "lib", "lib64")  # folders that are one with those of /usr
EMPTY = ("dev", "etc", "host", "proc", "run/docker/plugins", "sys", "tmp", "var/lib/pynet")
FILES = ("/etc/protocols",)  # without it libnftables lists 6 where it lists tcp elsewhere
ACCOUNTS = {"etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\n", "etc/group": "root:x:0:\n"}
LIBRARIES = ("libnftables.so.1", "libgcc_s.so.1")  # loaded by name while pynet runs; libc needs the second one


def main(step: str, out: Path) -> None:
    """Fill ``out``, which is empty before the first step."""
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is written into compiled files
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})
    os.umask(0o022)
    if step == "packages":
        _lay_out(out)
        _install_packages(out / SITE)
        return
    _install_pynet(out / SITE)
    _strip(out / SITE)
    bill.write(out, [*_python(out), *_libraries(out), *(_copy(Path(file), out) for file in FILES)])
    _add_documents(out)
    _compile(out)


def _add_documents(out: Path) -> None:
    """Add the guide, and config.json, so that a digest of the file system is one of the whole plugin."""
    for source, name in (("docs/plugin.md", GUIDE), ("config.json", f"{BILL}/config.json")):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / source, out / name)
        (out / name).chmod(0o644)


def _lay_out(out: Path) -> None:
    for name in MERGED:
        (out / "usr" / name).mkdir(parents=True)
        (out / name).symlink_to(f"usr/{name}")
    for name in EMPTY:
        (out / name).mkdir(parents=True)
    for name, text in ACCOUNTS.items():
        (out / name).write_text(text)
    command = out / COMMAND
    command.write_text(START)
    command.chmod(0o755)


def _install_packages(site: Path) -> None:
    """Install the lock file, hashes checked; it has setuptools, which builds pynet and goes again."""
    source = ["--no-index", "--find-links", str(WHEELS)] if list(WHEELS.glob("*.whl")) else []
    _pip("install", *source, "--target", str(site), "--require-hashes", "-r", str(LOCK))


def _install_pynet(site: Path) -> None:
    wheels = site.parent / "wheels"
    _pip("wheel", "--no-index", "--no-build-isolation", "-w", str(wheels), str(REPOSITORY), path=site)
    _pip("install", "--no-index", "--find-links", str(wheels), "--upgrade", "--target", str(site), "pynet")
    shutil.rmtree(wheels)


def _strip(site: Path) -> None:
    for name in UNUSED_PACKAGES:
        for path in (site / name, *site.glob(f"{name}-*.dist-info")):
            _remove(path)
    for path in sorted(site.rglob("*")):
        if path.name in UNUSED_FILES or path.suffix in UNUSED_SUFFIXES:
            _remove(path)


def _pip(command: str, *words: str, path: Path | None = None) -> None:
    bundled = sorted(Path("/usr/share/python-wheels").glob("pip-*.whl"))
    pip = [f"{bundled[0]}/pip"] if bundled else ["-m", "pip"]
    argv = [sys.executable, *pip, command, "--quiet", "--no-deps", "--disable-pip-version-check", "--no-cache-dir"]
    extra = ["--no-compile", "--root-user-action=ignore"] if command == "install" else []
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | ({"PYTHONPATH": str(path)} if path else {})
    subprocess.run([*argv, *extra, *words], check=True, env=environment)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _python(out: Path) -> Iterator[Path]:
    """Copy the interpreter and the standard library; yield the copied files."""
    program, library = Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib"))
    if program.parent != Path("/usr/bin") or library.parent != Path("/usr/lib"):
        sys.exit(f"rootfs: the base image has its Python in '{program.parent}'; Debian's own in '/usr/bin' is needed")
    yield _copy(program, out)
    (out / "usr/bin/python3").symlink_to(program.name)
    for path in _wanted(library):
        yield _copy(path, out)


def _wanted(library: Path) -> Iterator[Path]:
    for path in sorted(library.rglob("*")):
        parts = path.relative_to(library).parts
        extension = parts[0] == "lib-dynload" and path.name.startswith(UNUSED_EXTENSIONS)
        made_for_compilers = parts[0].startswith(("config-", "_sysconfigdata"))
        if path.is_dir() or "__pycache__" in parts or parts[0] in UNUSED_MODULES or extension or made_for_compilers:
            continue
        yield path


def _libraries(out: Path) -> Iterator[Path]:
    """Copy every shared library that something in ``out`` needs, found as the loader finds it; yield them."""
    loader = next(path for folder in ("/lib64", "/lib") for path in sorted(Path(folder).glob("ld-linux*.so.*")))
    programs = [out / "usr/bin/python3", *sorted(out.rglob("*.so"))]
    found = {loader}
    for program in programs:
        found |= set(_needed(loader, program))
    for name in LIBRARIES:
        path = next(Path(folder) / name for folder in _folders(found) if (Path(folder) / name).exists())
        found |= {path, *_needed(loader, path)}
    for path in sorted(found):
        yield _copy(path, out)


def _needed(loader: Path, program: Path) -> Iterable[Path]:
    listed = subprocess.run([loader, "--list", program], capture_output=True, text=True, check=False).stdout
    if "not found" in listed:
        sys.exit(f"rootfs: {program} needs a library that the base image does not have:\n{listed}")
    return [Path(path) for path in re.findall(r"=> (/\S+) \(", listed)]


def _folders(libraries: Iterable[Path]) -> list[str]:
    return sorted({str(path.parent) for path in libraries})


def _copy(path: Path, out: Path) -> Path:
    """Copy the target of ``path`` under its own name, with /lib as /usr/lib; return the copied file."""
    place = path.relative_to("/")
    target = out / ("usr" / place if place.parts[0] in MERGED else place)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    return path


def _compile(out: Path) -> None:
    """Compile everything, checked by nothing at run time: the files next to it never change."""
    for folder in (out / "usr/lib", out / SITE):
        done = compileall.compile_dir(
            folder,
            maxlevels=20,
            quiet=2,
            force=True,
            optimize=2,
            stripdir=str(out),
            prependdir="/",
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        if not done:
            sys.exit(f"rootfs: something in {folder} cannot be compiled")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
