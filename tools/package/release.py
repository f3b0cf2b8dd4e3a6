"""Everything of a release in ``dist/VERSION``: packages, plugin, bills of materials, notes, checksums.

    python3 -m tools.package.release          make it
    python3 -m tools.package.release check    make it twice, in different folders, and compare

It is built in a clone of the last commit, with the environment of this tree, so nothing else gets into it.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.package.facts import DIST, REPOSITORY, Facts, read_facts, run
from tools.package.notes import read_notes
from tools.package.sbom import tools, write
from tools.plugin import tree

PROGRAMS = {"rpmbuild": "rpm", "dpkg-deb": "dpkg", "docker": "docker.io"}
ROOTFS = "build/plugin/content"
BILL = "rootfs/usr/share/pynet/sbom.cdx.json"


def main(words: Sequence[str]) -> int:
    """Make the release, or make it twice; return the exit code."""
    facts = read_facts()
    if problem := obstacle(facts, _changed(), _missing()):
        sys.stderr.write(f"release: {problem}\n")
        return 1
    commit = run("git", "rev-parse", "HEAD")
    with tempfile.TemporaryDirectory(prefix="pynet-release-") as folder:
        first = _make(Path(folder, "one"), facts, commit)
        if words == ["check"]:
            second = _make(Path(folder, "another/place"), facts, commit)
            return _report(differences(first, second), len(list(first.iterdir())))
        target = DIST / facts.version
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(first, target)
    sys.stdout.write(f"{(target / 'SHA256SUMS').read_text()}release: {target.relative_to(REPOSITORY)} is complete\n")
    return 0


def obstacle(facts: Facts, changed: str, missing: Sequence[str]) -> str:
    """Return why no release can be made; "" if one can."""
    if changed:
        return f"the tree has changes that are not committed: {changed}"
    if missing:
        packages = ", ".join(f"'{name}' (Debian: {PROGRAMS[name]})" for name in missing)
        return f"these programs are missing: {packages}"
    try:
        read_notes(facts.version)
    except ValueError as error:
        return str(error)
    return ""


def differences(one: Path, other: Path) -> list[str]:
    """Return the names of the files that only one of two folders has, or that differ."""
    names = {path.name for folder in (one, other) for path in folder.iterdir()}
    return sorted(name for name in names if _digest(one / name) != _digest(other / name))


def _report(different: Sequence[str], count: int) -> int:
    if different:
        sys.stderr.write(f"release: two builds differ in {', '.join(different)}\n")
        return 1
    sys.stdout.write(f"release: two builds in different folders have the same {count} files\n")
    return 0


def _changed() -> str:
    return ", ".join(line[3:] for line in run("git", "status", "--porcelain").splitlines())


def _missing() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name) is None]


def _make(clone: Path, facts: Facts, commit: str) -> Path:
    """Build everything in a new clone of a commit; return the folder of results."""
    run("git", "clone", "--quiet", "--shared", REPOSITORY, clone)
    run("git", "-C", clone, "checkout", "--quiet", commit)
    (clone / ".venv").symlink_to(REPOSITORY / ".venv")
    (clone / "cli/commit").write_text(f"{commit}\n")
    out = clone / "dist/release"
    out.mkdir(parents=True)
    for package in ("deb", "rpm"):
        _say(f"building the {package}")
        shutil.copy(clone / _in(clone, ".venv/bin/python", "-m", f"tools.package.{package}"), out)
    wheel = Path(shutil.copy(next((clone / "dist").glob("*.whl")), out))
    run(tools() / "python", "-m", "twine", "--no-color", "check", "--strict", wheel)
    _say("building the plugin")
    _in(clone, "tools/plugin.sh", "build", "anew")
    name = f"pynet-plugin-{facts.version}-{run('dpkg', '--print-architecture')}"
    _pack(clone / ROOTFS, out / f"{name}.tar.gz")
    shutil.copy(clone / ROOTFS / BILL, out / f"{name}.cdx.json")
    _say("writing the bill of materials")
    write(out / f"pynet-{facts.version}.cdx.json", wheel, facts, clone / "build")
    (out / "NOTES.md").write_text(read_notes(facts.version))
    sums = [f"{_digest(path)}  {path.name}\n" for path in sorted(out.iterdir())]
    (out / "SHA256SUMS").write_text("".join(sums))
    return out


def _in(clone: Path, *argv: str) -> str:
    """Run a command of the build in a clone; return the last line of its output."""
    done = subprocess.run(argv, cwd=clone, env=dict(os.environ), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().rpartition("\n")[2]


def _pack(folder: Path, target: Path) -> None:
    """Write the folder as the archive from which ``docker plugin create`` can make the plugin."""
    with tempfile.NamedTemporaryFile(dir=target.parent) as plain:
        tree.pack(folder, Path(plain.name))
        with gzip.GzipFile(target, "wb", mtime=0) as packed:
            shutil.copyfileobj(plain, packed)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _say(text: str) -> None:
    sys.stdout.write(f"release: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
