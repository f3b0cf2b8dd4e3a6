"""``build/plugin``: the root file system as an archive and as a folder, and ``config.json``."""

import hashlib
import json
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools.plugin import base, config, tree, wheels
from tools.plugin.registry import Plugin
from tools.plugin.shell import run, say

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "build/plugin"
SOURCES = (
    *("Dockerfile", "requirements.lock", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"),
    *("cli", "handlers", "plugin", "netlink", "tools/plugin"),
)
IMAGE = "pynet-plugin"


@dataclass(frozen=True, slots=True)
class Built:
    """A built plugin. ``docker plugin create`` reads ``folder``; sizes are in bytes."""

    folder: Path
    archive: Path
    digest: str
    size: int
    compressed: int

    @property
    def plugin(self) -> Plugin:
        """It, as a registry has it."""
        return Plugin((self.folder / "config.json").read_text(), self.archive)


def build(*, anew: bool = False) -> Built:
    """Build unless built already, or ``anew``; the same sources on the same base give the same digest."""
    image = base.choose()
    key = _key(image)
    stamp = FOLDER / "stamp.json"
    if not anew and stamp.exists() and (known := json.loads(stamp.read_text()))["key"] == key:
        return _built(known)
    if image.startswith(base.OWN):
        fetch()
    base.load(image)
    say(f"building the root file system on {image}")
    part = FOLDER.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "content/rootfs").mkdir(parents=True)
    _export(image, part / "rootfs.tar", anew=anew)
    _unpack(part / "rootfs.tar", part / "content/rootfs")
    (part / "content/config.json").write_text(config.text())
    plugin = Plugin(config.text(), part / "rootfs.tar")
    size = tree.sizes((part / "content/rootfs").rglob("*"))
    known = {"key": key, "digest": plugin.digest, "size": size, "compressed": plugin.compressed}
    (part / "stamp.json").write_text(json.dumps(known))
    shutil.rmtree(FOLDER, ignore_errors=True)
    part.rename(FOLDER)
    return _built(known)


def fetch() -> None:
    """Make the base from packages, and fetch the packages of the lock file with the base's pip."""
    archive, pip = base.from_packages(), base.pip()
    if pip is not None:
        wheels.fetch(pip, base.python(archive))


def _built(known: dict[str, str | int]) -> Built:
    digest, size, compressed = str(known["digest"]), int(known["size"]), int(known["compressed"])
    return Built(FOLDER / "content", FOLDER / "rootfs.tar", digest, size, compressed)


def _key(image: str) -> str:
    """Return a key of everything on which the result depends: the base and the bytes of every source."""
    digest = hashlib.sha256(image.encode())
    for name in SOURCES:
        path = REPOSITORY / name
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(REPOSITORY)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _export(image: str, target: Path, *, anew: bool) -> None:
    offline = ("--network", "none") if image.startswith(base.OWN) else ()
    cache = ("--no-cache",) if anew else ()
    run("docker", "build", "--quiet", *offline, *cache, "--build-arg", f"BASE={image}", "--tag", IMAGE, REPOSITORY)
    container = run("docker", "create", IMAGE)
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent) as exported:
            run("docker", "export", "--output", exported.name, container)
            tree.normalise(Path(exported.name), target)
    finally:
        run("docker", "rm", container)


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extraction_filter = lambda member, _: member
        tar.extractall(folder)
