"""``dist/pynet_VERSION_all.deb``: one package for every Debian and Ubuntu with Python 3.11 or newer.

python3 -m tools.package.deb
"""

import gzip
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from tools.package.facts import DIST, REPOSITORY, Facts, read_facts, run
from tools.package.stage import DOCUMENTS, fill, set_times

REVISION = "1"
DEBIAN = REPOSITORY / "packaging/debian"
SCRIPTS = ("postinst", "prerm", "postrm")
HOOKS = "usr/share/python3/runtime.d"  # called when the distribution's Python changes
OVERRIDES = "usr/share/lintian/overrides"
CONTROL = """Package: pynet
Version: {version}
Architecture: all
Maintainer: {maintainer}
Section: net
Priority: optional
Installed-Size: {size}
Depends: python3, python3 (>= 3.11) | python3.11, libnftables1
Recommends: docker.io | docker-ce
Suggests: tcpdump
Description: {summary}
 A network of "docker network create --driver pynet" behaves like the one of
 Docker's own bridge driver, and costs a fraction of its time.
 .
 Networks can have IPv4, IPv6 or both, and can extend over many hosts.
"""
CHANGES = """pynet ({version}) unstable; urgency=medium

  * New version; /usr/share/doc/pynet/CHANGELOG.md says what is new.

 -- {maintainer}  {date}
"""


def build() -> Path:
    """Build the package; return its path."""
    facts = read_facts()
    version = f"{facts.version}-{REVISION}"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root, facts, "deb")
        _add_files(root, facts, version)
        _add_control(root, facts, version)
        set_times(root, facts.epoch)
        target = DIST / f"pynet_{version}_all.deb"
        run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, target)
    return target


def _add_files(root: Path, facts: Facts, version: str) -> None:
    date = format_datetime(datetime.fromtimestamp(facts.epoch, UTC))
    changes = CHANGES.format(version=version, maintainer=facts.maintainer, date=date)
    (root / DOCUMENTS / "changelog.Debian.gz").write_bytes(gzip.compress(changes.encode(), mtime=0))
    for folder, source, mode in ((HOOKS, "rtupdate", 0o755), (OVERRIDES, "lintian-overrides", 0o644)):
        (root / folder).mkdir(parents=True)
        target = root / folder / ("pynet.rtupdate" if source == "rtupdate" else "pynet")
        shutil.copyfile(DEBIAN / source, target)
        target.chmod(mode)


def _add_control(root: Path, facts: Facts, version: str) -> None:
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink()) // 1024
    control = root / "DEBIAN"
    control.mkdir()
    told = CONTROL.format(version=version, maintainer=facts.maintainer, summary=facts.summary, size=size)
    (control / "control").write_text(told)
    (control / "conffiles").write_text("/etc/default/pynet\n")
    for script in SCRIPTS:
        shutil.copy(DEBIAN / script, control)
        (control / script).chmod(0o755)


if __name__ == "__main__":
    sys.stdout.write(f"{build().relative_to(REPOSITORY)}\n")
