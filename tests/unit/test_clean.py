"""``tools/clean.sh``, which takes everything away, and its refusals; a stand-in for ``docker`` says what is in use."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CLEAN = Path(__file__).parents[2] / "tools/clean.sh"
NEEDED = ("bash", "dirname", "awk", "xargs", "echo")
DOCKER = """#!/bin/bash
case "$1 $2" in
version*) exit {status} ;;
"network ls") echo 1 2 3 4 5 ;;
"network inspect")
    printf '%s\\n' 'bridge bridge default' 'web pynet default' 'tagged pynet:managed pynet:managed' \\
        'addresses bridge pynet' 'old pynetd:latest default' 'other pynetty default' ;;
esac
"""


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "nothing is removed: there are the networks web tagged addresses old; docker network rm them first"),
        (1, "the engine does not answer, so it cannot say whether networks are in use"),
    ],
)
def test_nothing_is_taken_away_while_networks_may_be_in_use(tmp_path: Path, status: int, words: str) -> None:
    """Networks of every name that pynet ever had are named; an engine that is silent might have some."""
    for name in NEEDED:
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    for name, text in (("docker", DOCKER.format(status=status)), ("id", "#!/bin/bash\necho 0\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["bash", CLEAN],
        env={"PATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert f"clean-host: {words}" in done.stderr


LINKS = """#!/bin/bash
echo '4: pn-a1a1a1a1a1a1: <UP> mtu 1500 \\    alias pynet/network/a1a1'
echo '5: pnse0e0e0e0e0e0@eth0: <UP> mtu 1500 \\    alias pynet/parent/eth0/shim'
echo '6: eth0.50@eth0: <UP> mtu 1500 \\    alias pynet/parent/eth0.50'
echo '7: eth1: <UP> mtu 1500 \\    alias pynets/network/b2b2'
"""


def test_links_of_every_kind_are_taken_away(tmp_path: Path) -> None:
    """By their aliases: those of networks and endpoints, and those that networks share; others stay."""
    silent = ("docker", "nft", "apt-get", "apt-mark", "systemctl")
    texts = {"ip": LINKS, "id": "#!/bin/bash\necho 0\n", **dict.fromkeys(silent, "#!/bin/bash\n")}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    command = ["bash", str(CLEAN)]
    done = subprocess.run(
        command, env={"PATH": path}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    [line] = [line for line in done.stdout.splitlines() if "pn-a1a1a1a1a1a1" in line]

    assert all(name in line for name in ("pnse0e0e0e0e0e0", "eth0.50"))
    assert "eth1" not in line
    assert "nothing is removed" in done.stderr
