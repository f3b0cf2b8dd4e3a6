"""The preparations of a run of the tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "rings"),
    [
        ("tests/contract/test_spec.py", "unit"),
        ("tests/cluster/overlay tests/kernel/test_hostnet.py -m cluster", "engine cluster"),
        ("tests/vm", "vm"),
        ("tests/nowhere.py", "kernel engine cluster vm"),
    ],
)
def test_only_what_is_to_run_is_prepared(arguments: str, rings: str) -> None:
    """Folders, -k and -m select the rings to prepare; if they cannot tell, all are prepared."""
    command = [sys.executable, "-m", "tests.rings", *arguments.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True)

    assert done.stdout == f"{rings}\n"
