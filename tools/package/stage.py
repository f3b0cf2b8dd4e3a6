"""The tree of files that the packages of all distributions have in common."""

import os
import shutil
from pathlib import Path

from tools.package import notices
from tools.package.facts import REPOSITORY, Facts, run

HOME = "usr/lib/pynet"
SITE = f"{HOME}/python"
DOCUMENTS = "usr/share/doc/pynet"
UNITS = "usr/lib/systemd/system"
NETWORKS = {"10-pynet.network": "usr/lib/systemd/network", "10-pynet.conf": "usr/lib/NetworkManager/conf.d"}
CLI_PLUGINS = "usr/libexec/docker/cli-plugins"
# What builds packages, what only an installer reads, and what the interpreter does not need at run time.
UNUSED = ("setuptools*", "_distutils_hack", "distutils-precedence.pth", "pkg_resources", "bin")
UNREAD = ("RECORD", "WHEEL", "REQUESTED", "direct_url.json", "top_level.txt", "entry_points.txt", "licenses")
# For one Python and one processor; the only package that has such code works without (markupsafe/_native.py).
COMPILED = (".so", ".c", ".pyi", ".pyx", ".pxd")


def build_wheel() -> Path:
    """Build the wheel of pynet; return its path."""
    return REPOSITORY / run("tools/wheel.sh")


def fill(root: Path, facts: Facts, form: str) -> None:
    """Lay out everything in the empty folder ``root``; ``form`` is the kind of package that ``pynet version`` names."""
    os.umask(0o022)
    root.chmod(0o755)
    site = root / SITE
    _install(site, build_wheel())
    _document(root, site, facts)
    _strip(site)
    next(site.glob("pynet-*.dist-info")).joinpath("INSTALLER").write_text(f"{form}\n")
    _add_programs(root)
    _add_units(root)


def set_times(root: Path, epoch: int) -> None:
    """Give every file and folder below ``root`` the same time."""
    for path in [root, *root.rglob("*")]:
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _install(site: Path, wheel: Path) -> None:
    pip = [".venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"]
    locked = ["--require-hashes", "--only-binary", ":all:", "-r", "requirements.lock"]
    for packages in (locked, [wheel]):
        run(*pip, "--target", site, *packages)
        for path in (path for name in UNUSED for path in site.glob(name)):
            _remove(path)


def _strip(site: Path) -> None:
    for path in [*site.glob("*.dist-info/*"), *site.rglob("*")]:
        if path.suffix in COMPILED or (path.parent.suffix == ".dist-info" and path.name in UNREAD):
            _remove(path)
    for path in site.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _document(root: Path, site: Path, facts: Facts) -> None:
    folder = root / DOCUMENTS
    shutil.copytree(REPOSITORY / "docs", folder / "docs")
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder)
    for name in ("grafana", "prometheus"):
        shutil.copytree(REPOSITORY / "packaging" / name, folder / name)
    (folder / "copyright").write_text(notices.text(site, facts.maintainer))
    run(".venv/bin/python", "-m", "tools.manpages", root / "usr/share/man/man1")
    run("tools/completions.sh", root / "usr/share")


def _add_programs(root: Path) -> None:
    programs, packaging = root / HOME / "bin", REPOSITORY / "packaging/common"
    programs.mkdir()
    start = (packaging / "start").read_text()
    for name, module in (("pynet", "cli.start"), ("docker-pynet", "cli.docker_plugin")):
        (programs / name).write_text(start.replace("MODULE", module))
    for name in ("compile", "warn-of-networks"):
        shutil.copy(packaging / name, programs)
    for path in programs.iterdir():
        path.chmod(0o755)
    for folder, up, name in (("usr/bin", "..", "pynet"), (CLI_PLUGINS, "../../..", "docker-pynet")):
        (root / folder).mkdir(parents=True)
        (root / folder / name).symlink_to(f"{up}/lib/pynet/bin/{name}")


def _add_units(root: Path) -> None:
    (root / UNITS).mkdir(parents=True)
    for unit in sorted((REPOSITORY / "packaging/systemd").glob("pynet*")):
        shutil.copy(unit, root / UNITS)
    for name, folder in NETWORKS.items():
        (root / folder).mkdir(parents=True)
        shutil.copy(REPOSITORY / "packaging/network" / name, root / folder)
    (root / "etc/default").mkdir(parents=True)
    shutil.copy(REPOSITORY / "packaging/debian/default", root / "etc/default/pynet")
