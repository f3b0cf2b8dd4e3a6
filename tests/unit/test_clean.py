"""``tools/clean.sh``, which takes everything away, and its refusals; a stand-in for ``docker`` says what is in use."""

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
