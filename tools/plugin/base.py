"""The base image: one that can be pulled or is there, or one made from the packages of this machine's distribution.

Unpacking the fifty packages that Python and libnftables need takes a few seconds and 22 MB of downloads; debootstrap
takes a minute and 80 MB for the same.
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.plugin import tree
from tools.plugin.contents import PACKAGES
from tools.plugin.shell import fail, run, say, works

IMAGE = "debian:bookworm-slim"
OWN = "pynet-base"
FORM = "2"  # of what is made of the packages, so that what an older version made is made anew
AUTHORITIES = "usr/share/ca-certificates"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
LISTS = Path("/var/lib/apt/lists")
MERGED = ("bin", "sbin", "lib", "lib64")
NAMED = re.compile(r"^'\S+' (\S+\.deb) (\d+) ", re.MULTILINE)  # a package and its bytes, as --print-uris says them
PULL = 20.0  # seconds for a registry to be heard of


def choose() -> str:
    """Return the name of the base image: ``BASE`` where it is set, else whatever is nearest."""
    wish = os.environ.get("BASE", "")
    if wish and wish != "packages":
        if not works("docker", "image", "inspect", wish) and not works("docker", "pull", wish, timeout=300):
            fail(f"the base image '{wish}' is neither here nor can it be pulled")
        return wish
    if not wish and works("docker", "image", "inspect", IMAGE):
        return IMAGE
    if not wish and not _cached() and works("docker", "pull", IMAGE, timeout=PULL):
        return IMAGE
    return f"{OWN}:{from_packages().stem.removeprefix('base-')}"


def is_newest(name: str, built: float) -> bool:
    """Return whether a build on the base ``name`` at the time ``built`` is good enough: it is wanted, or the newest.

    Nothing is pulled for that: newer images of ``IMAGE`` are used when something else changes, or on demand (``BASE``).
    apt-get, which takes seconds, is only asked if its lists have changed since.
    """
    wish = os.environ.get("BASE", "")
    if wish and wish != "packages":
        return name == wish
    if not name.startswith(OWN):
        return not wish
    return not LISTS.exists() or LISTS.stat().st_mtime < built or name == _own(packages()[0])


def load(name: str) -> None:
    """Give the engine the base that was made from packages, if ``name`` is that and not there."""
    own = name.partition(":")[2] if name.startswith(OWN) else ""
    if own and not works("docker", "image", "inspect", name):
        run("docker", "import", cache() / f"base-{own}.tar", name)


def cache() -> Path:
    """Return the folder for things that need not be fetched twice."""
    return Path(os.environ.get("PYNET_PLUGIN_CACHE") or "/var/cache/pynet-plugin")


def pip() -> Path | None:
    """Return the pip of the base made from packages, which runs on this machine's Python as well."""
    return next(iter(sorted(cache().glob("pip-*.whl"))), None)


def python(archive: Path) -> str:
    """Return the version of Python in a base made from packages: "3.11"."""
    with tarfile.open(archive) as tar:
        versions = [re.fullmatch(r"usr/bin/python(3\.\d+)", name) for name in tar.getnames()]
    return next(found[1] for found in versions if found)


def _cached() -> Path | None:
    return next(iter(sorted(cache().glob("base-*.tar"))), None)


def from_packages() -> Path:
    """Return a tar archive with the packages of this machine's distribution, made again if there are newer ones."""
    if shutil.which("apt-get") is None:
        fail(f"no base image: '{IMAGE}' cannot be pulled, and this machine has no packages of Debian or Ubuntu")
    names, complaint = packages()
    if not names:
        found = _cached()
        return found or fail(f"no base image: '{IMAGE}' cannot be pulled, and apt-get names no packages: {complaint}")
    target = cache() / f"base-{_own(names).partition(':')[2]}.tar"
    if not target.exists():
        say(f"making a base from {len(names)} packages of this machine's distribution")
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as work:
            _make(target, Path(work))
    return target


def _own(names: Sequence[str]) -> str:
    return f"{OWN}:{hashlib.sha256(' '.join([FORM, *names]).encode()).hexdigest()[:12]}"


def packages() -> tuple[Sequence[str], str]:
    """Return the files of all packages of a base, by name, or none and why; they depend on the lists of apt alone."""
    with tempfile.TemporaryDirectory() as empty:  # apt-get names no package that lies in its cache already
        said = _apt(Path(empty), "--print-uris")
    return sorted(name for name, _ in NAMED.findall(said)), said.strip()


def _make(target: Path, work: Path) -> None:
    said = _apt(work, "--download-only")
    debs = sorted(work.glob("*.deb"))
    if not debs:
        fail(f"no base image: apt-get fetched no packages: {said.strip()}")
    root = work / "root"
    for deb in debs:
        _unpack(deb, root)
    _merge(root)
    trust(root)
    shell = root / "usr/bin/sh"
    if not shell.is_symlink():
        shell.symlink_to("dash")
    tree.pack(root, work / "base.tar")
    for old in [*cache().glob("base-*.tar"), *cache().glob("pip-*.whl")]:
        old.unlink()
    for wheel in (root / "usr/share/python-wheels").glob("pip-*.whl"):
        shutil.copy(wheel, cache() / wheel.name)
    (work / "base.tar").rename(target)


def _apt(archives: Path, *words: str) -> str:
    """Ask for all packages that ``PACKAGES`` need on a machine with only ``archives``; return apt-get's answer."""
    (archives / "partial").mkdir()
    nothing = ("-o", "Dir::State::status=/dev/null", "-o", "APT::Install-Recommends=false")
    quiet = ("-qq", "-y", "-o", "Debug::NoLocking=true", "-o", "APT::Sandbox::User=root")
    cache = ("-o", f"Dir::Cache::archives={archives}")
    command = ["apt-get", *quiet, *nothing, *cache, *words, "install", *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:  # the lists may be missing or old
        subprocess.run(["apt-get", "-qq", "update"], capture_output=True, timeout=300, check=False)
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout if done.returncode == 0 else done.stderr or f"exit status {done.returncode}"


def _unpack(deb: Path, root: Path) -> None:
    """Unpack a package, and note it as dpkg would: the bill of materials is made from that."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = [name.removeprefix(".").rstrip("/") or "/." for name in archive.getnames()]
        archive.extraction_filter = lambda member, _: member  # apt has checked who signed it
        archive.extractall(root)
    facts = run("dpkg-deb", "-f", deb)
    package = run("dpkg-deb", "-f", deb, "Package")
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True, exist_ok=True)
    (info / f"{package}.list").write_text("\n".join(names) + "\n")
    with (root / "var/lib/dpkg/status").open("a") as status:
        status.write(f"{facts}\nStatus: install ok installed\n\n")


def trust(root: Path) -> None:
    """Write the bundle of authorities, as the script of ca-certificates would: pip 25 does not start without it."""
    bundle = root / BUNDLE
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(b"".join(path.read_bytes() for path in sorted((root / AUTHORITIES).rglob("*.crt"))))


def _merge(root: Path) -> None:
    """Make /bin, /sbin and /lib links to those of /usr, as every installed system has them."""
    for name in MERGED:
        old, new = root / name, root / "usr" / name
        new.mkdir(parents=True, exist_ok=True)
        if old.is_dir() and not old.is_symlink():
            for path in [path for path in sorted(old.rglob("*")) if path.is_symlink() or not path.is_dir()]:
                target = new / path.relative_to(old)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)
            shutil.rmtree(old)
        if not old.is_symlink():
            old.symlink_to(f"usr/{name}")
