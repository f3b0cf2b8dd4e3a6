"""``tools/setup.sh`` where it cannot install anything: a PATH without apt-get stands for another distribution."""

import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "tools/setup.sh"
NEEDED = ("bash", "dirname", "id", "sed", "grep", "sha256sum", "cut", "cat")


@pytest.mark.parametrize(
    ("release", "command", "words"),
    [
        ("ID=fedora", "dnf install ", " iputils procps-ng util-linux"),
        ('ID=almalinux\nID_LIKE="rhel centos fedora"', "dnf install ", " iputils procps-ng util-linux"),
        ("ID=alpine", "apk add ", " iputils procps-ng util-linux-misc"),
        ("ID=endeavouros\nID_LIKE=arch", "pacman -S ", " iputils procps-ng util-linux"),
        ("ID=other", "what Debian has as ", " iputils-ping procps util-linux"),
    ],
)
def test_the_command_of_another_distribution_is_named(tmp_path: Path, release: str, command: str, words: str) -> None:
    """The missing packages are named as that distribution calls them, with its command."""
    for name in NEEDED:
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "os-release").write_text(release)
    environment = {"PATH": str(tmp_path), "OS_RELEASE": str(tmp_path / "os-release")}
    done = subprocess.run(["bash", SETUP, "kernel"], env=environment, capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[0]

    assert said.partition("by hand: ")[2].startswith(command)
    assert said.endswith(words)
