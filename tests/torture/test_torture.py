"""A sample of each part of ``make torture``."""

import subprocess
import sys

import pytest

from tests.engine.lab.engines import wanted
from tests.engine.lab.host import REPOSITORY
from tests.torture import containers, cycles

EVERY = 18  # of the cases of the sweep: each scenario without a kill, and of most one with a kill


@pytest.mark.kernel
@pytest.mark.timeout(400)
def test_killed_at_any_step_nothing_is_lost_or_left(capsys: pytest.CaptureFixture[str]) -> None:
    """A real pynet is killed around every ninth step, on one of its sides, and after its restart all agree."""
    sweep = [sys.executable, "-m", "tests.torture.sweep", str(EVERY)]
    done = subprocess.run(sweep, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    with capsys.disabled():
        print(f"\nsweep: {done.stdout.splitlines()[-1]}")

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_containers_do_not_notice_that_pynet_and_the_engine_are_killed() -> None:
    """Few containers and kills; the engines in turn have twenty and ten of them."""
    found = containers.survive(wanted()[-1], containers=5, restarts=2)

    assert not found.faults
    assert found.lost == dict.fromkeys(found.sent, 0)


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_nothing_grows() -> None:
    """Links, rules, files, threads and sockets are the same after 20 cycles as after 10."""
    found = cycles.grow(wanted()[-1], 20, warm=10)

    assert not found.faults
