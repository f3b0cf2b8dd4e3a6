"""``build/plugin``: the root file system as an archive and as a folder, and ``config.json``."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from configparser import ConfigParser
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.plugin import base, config, tree, wheels
from tools.plugin.registry import Plugin
from tools.plugin.shell import complaint, run, step

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "build/plugin"
SOURCES = (
    *("Dockerfile", "requirements.lock", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "config.json"),
    *("cli", "handlers", "plugin", "netlink", "tools/plugin", "docs/plugin.md"),
)
IMAGE = "pynet-plugin"
STAGE = "label=pynet.build=plugin"  # of the images between, which have no name


@dataclass(frozen=True, slots=True)
class Built:
    """A built plugin. ``docker plugin create`` reads ``folder``; sizes are in bytes.

    ``digest`` is that of its manifest, ``layer`` that of its file system, as engines have them.
    """

    folder: Path
    archive: Path
    digest: str
    layer: str
    size: int
    compressed: int

    @property
    def plugin(self) -> Plugin:
        """It, as a registry has it."""
        return Plugin((self.folder / "config.json").read_text(), self.archive)


def build(*, anew: bool = False) -> Built:
    """Build unless built already, or ``anew``; the same sources on the same base give the same digest."""
    sources, stamp = _sources(), FOLDER / "stamp.json"
    known = json.loads(stamp.read_text()) if stamp.exists() else {}
    if not anew and known.get("sources") == sources and base.is_newest(known["base"], stamp.stat().st_mtime):
        return _built(known)
    with step(1, "the base image"):
        image = base.choose()
    if image.startswith(base.OWN):
        with step(2, "the Python packages of requirements.lock"):
            fetch()
    with step(3, f"the root file system, on {image}"):
        return _built(_make(image, sources, anew=anew))


def _make(image: str, sources: str, *, anew: bool) -> dict[str, str | int]:
    part = FOLDER.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "content/rootfs").mkdir(parents=True)
    try:
        base.load(image)
        _export(image, part / "rootfs.tar", anew=anew)
    finally:
        remove_images()
    _unpack(part / "rootfs.tar", part / "content/rootfs")
    (part / "content/config.json").write_text(config.text())
    plugin = Plugin(config.text(), part / "rootfs.tar")
    size = tree.sizes((part / "content/rootfs").rglob("*"))
    known: dict[str, str | int] = {"sources": sources, "base": image, "digest": plugin.digest, "layer": plugin.layer}
    known |= {"size": size, "compressed": plugin.compressed}
    (part / "stamp.json").write_text(json.dumps(known))
    shutil.rmtree(FOLDER, ignore_errors=True)
    part.rename(FOLDER)
    return known


def remove_images() -> None:
    """Leave no image behind: not the result, which the plugin contains, nor the base, nor those between.

    Those of a build that another process makes at the same time are in use, and stay.
    """
    for repository in (IMAGE, base.OWN):  # the base goes last: the others are made of it
        if named := run("docker", "images", "--quiet", repository).split():
            complaint("docker", "rmi", "--force", *named)
        complaint("docker", "image", "prune", "--force", "--filter", STAGE)


def fetch() -> None:
    """Make the base from packages, and fetch the packages of the lock file with the base's pip."""
    archive, pip = base.from_packages(), base.pip()
    if pip is not None:
        wheels.fetch(pip, base.python(archive))


def _built(known: dict[str, str | int]) -> Built:
    digests, sizes = (str(known["digest"]), str(known["layer"])), (int(known["size"]), int(known["compressed"]))
    return Built(FOLDER / "content", FOLDER / "rootfs.tar", *digests, *sizes)


def _sources() -> str:
    """Return a digest of the bytes of every source; with the base that is everything on which the result depends."""
    digest = hashlib.sha256()
    for name in SOURCES:
        path = REPOSITORY / name
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(REPOSITORY)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def version() -> str:
    """Return the version that setup.cfg declares."""
    parser = ConfigParser()
    parser.read(REPOSITORY / "setup.cfg")
    return parser["metadata"]["version"]


def origin() -> str:
    """Return the public address from which this repository was cloned, "" if there is none."""
    command = ("git", "-C", str(REPOSITORY), "remote", "get-url", "origin")
    with suppress(FileNotFoundError):
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        return said if re.fullmatch(r"https://[^@\s]+", said) else ""  # with "@" it may contain a password
    return ""


def _export(image: str, target: Path, *, anew: bool) -> None:
    offline = ("--network", "none") if image.startswith(base.OWN) else ()
    cache = ("--no-cache",) if anew else ()
    facts = {"BASE": image, "VERSION": version(), "SOURCE": origin()}
    words = [word for key, value in facts.items() for word in ("--build-arg", f"{key}={value}")]
    run("docker", "build", "--quiet", *offline, *cache, *words, "--tag", IMAGE, REPOSITORY)
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
