"""One pynet of a name in a network namespace, whatever its socket and its state folder are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.server.name import hold_name
from plugin.errors import Conflict
from tests.kernel.container import sh
from tests.kernel.namespaces import enter_fresh_namespace
from tests.kernel.test_start import PYNET, remember_networks, serving

HOLD = """
import os, socket
os.setuid(65534)
holder = socket.socket(socket.AF_UNIX)
holder.bind("\\0pynet/pynet")
print(flush=True)
input()
"""


def environment(folder: Path) -> dict[str, str]:
    """Return settings of a pynet whose files are all in ``folder``."""
    return {**os.environ, "PYNET_SOCKET": str(folder / "pynet.sock"), "PYNET_STATE_DIR": str(folder / "state")}


def test_a_second_pynet_of_a_name_refuses_to_start(tmp_path: Path) -> None:
    """A try-out with its socket in a folder of its own deleted the first one's bridges as leftovers."""
    first, second = tmp_path / "first", tmp_path / "second"
    links = remember_networks(environment(first), 2)
    with serving(environment(first)):
        refused = subprocess.run(
            [PYNET, "serve"], env=environment(second), capture_output=True, text=True, timeout=60, check=False
        )
        assert refused.returncode == 75
        assert "serve driver 'pynet': another pynet of that name runs in this network namespace" in refused.stderr
        assert all(link in sh("ip -o link") for link in links)


def test_two_names_and_two_namespaces_do_not_meet() -> None:
    """The name belongs to a network namespace, as the links do, and is free when its holder has gone."""
    first = hold_name("pynet", 0)
    second = hold_name("other", 0)
    with pytest.raises(Conflict, match=f"process {os.getpid()}, and each would delete the other's"):
        hold_name("pynet", 0)
    os.close(first)
    third = hold_name("pynet", 0)
    enter_fresh_namespace()
    for held in (second, third, hold_name("pynet", 0)):
        os.close(held)


def test_a_user_without_rights_keeps_no_pynet_from_starting() -> None:
    """Anybody can bind an abstract socket; one that is not this user's is passed over with a warning."""
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        os.close(hold_name("pynet", 0))
        other.communicate(b"\n")

    assert other.returncode == 0
