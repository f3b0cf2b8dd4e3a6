"""The sweep of kills over networks that need another kernel than most: with ``make test-vm`` only."""

import subprocess
import sys

import pytest

from tests.vm.image import TREE

EVERY = {"ipvlan:": 6, "encrypted:": 16}  # of the cases
AT_ONCE = 2  # a case waits half of its time; more would be too late for limits, as there is one processor


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "every"), EVERY.items(), ids=EVERY)
def test_killed_at_any_step_nothing_is_lost_or_left(name: str, every: int) -> None:
    """A real pynet is killed around some steps of the scenarios, each of which is played without a kill too."""
    sweep = [sys.executable, "-m", "tests.torture.sweep", str(every), name, str(AT_ONCE)]
    done = subprocess.run(sweep, cwd=TREE, capture_output=True, text=True, check=False)
    print(done.stdout)

    assert done.returncode == 0, done.stdout + done.stderr
