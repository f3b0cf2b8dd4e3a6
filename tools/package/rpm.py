"""``dist/pynet-VERSION-1.noarch.rpm``: one package for every distribution with RPM and Python 3.11 or newer.

python3 -m tools.package.rpm
"""

import shutil
import sys
import tempfile
from pathlib import Path

from tools.package.facts import DIST, REPOSITORY, read_facts, run
from tools.package.stage import fill, set_times

RELEASE = "1"
SPEC = REPOSITORY / "packaging/rpm/pynet.spec"
ZSH_OF_DEBIAN, ZSH = "usr/share/zsh/vendor-completions", "usr/share/zsh/site-functions"


def build() -> Path:
    """Build the package; return its path."""
    if shutil.which("rpmbuild") is None:
        sys.exit("rpm: 'rpmbuild' is needed; on Debian and Ubuntu the package 'rpm' has it")
    facts = read_facts()
    with tempfile.TemporaryDirectory() as folder:
        stage, top = Path(folder, "stage"), Path(folder, "top")
        stage.mkdir()
        fill(stage, facts, "rpm")
        (stage / ZSH_OF_DEBIAN).rename(stage / ZSH)
        set_times(stage, facts.epoch)
        macros = {
            "_topdir": top,
            "stage": stage,
            "pynet_version": facts.version,
            "pynet_release": RELEASE,
            "pynet_summary": facts.summary,
        }
        defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
        run("rpmbuild", "-bb", "--quiet", "--target", "noarch", *defines, SPEC)
        [built] = top.glob("RPMS/noarch/*.rpm")
        DIST.mkdir(exist_ok=True)
        return Path(shutil.copy(built, DIST))


if __name__ == "__main__":
    sys.stdout.write(f"{build().relative_to(REPOSITORY)}\n")
