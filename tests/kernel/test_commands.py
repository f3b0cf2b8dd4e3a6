"""Every command asks the running pynet, or says in a sentence why it cannot."""

import json
import os
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cli.exit_codes import NOT_SERVING, PRIVILEGES
from tests.kernel.activator import PYNET
from tests.kernel.served import Served

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
NETWORK = {"NetworkID": "a1" * 32, "IPv4Data": [{"Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}]}
COMMANDS = ("settings", "ports", "reconcile", "reconcile --dry-run", "status", "backup copy", "cluster status")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture
def served() -> Iterator[Served]:
    """A pynet with a network, in a folder that everybody may enter and no environment of the commands names."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        served = Served(Path(folder))
        served.start()
        assert served.call("NetworkDriver.CreateNetwork", **NETWORK) == {}
        yield served
        served.kill()


def command(served: Served, words: str, *before: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with nothing but the socket's path in its environment, in the folder of the socket."""
    env = {"PATH": os.environ["PATH"], "PYNET_SOCKET": str(served.socket)} | environment
    argv = [*before, str(PYNET), *words.split()]
    folder = served.socket.parent
    return subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_settings_state_and_kernel_are_those_of_the_pynet_that_serves(served: Served) -> None:
    """Commands use settings, state and kernel of the running pynet, and name variables that they do not use."""
    settings = command(served, "settings", PYNET_STATE_DIR="/nowhere")
    assert ["PYNET_STATE_DIR", str(served.state), "environment"] in [
        line.split()[:3] for line in settings.stdout.splitlines()
    ]
    assert settings.stderr == f"note: PYNET_STATE_DIR is not used: the pynet that serves has '{served.state}'\n"
    assert command(served, "reconcile --dry-run").stdout.startswith("the kernel is as it should be")
    assert json.loads(command(served, "ports --json").stdout) == []
    assert "written: 1 network, 0 endpoints" in command(served, "backup copy").stdout
    with closing(sqlite3.connect(served.socket.parent / "copy")) as copy:
        [(journal,), (checked,)] = [
            copy.execute(f"PRAGMA {words}").fetchone() for words in ("journal_mode", "quick_check")
        ]
    assert (journal, checked) == ("delete", "ok")
    assert "PYNET_STORE names no store" in command(served, "cluster status").stderr


def test_a_pynet_that_hangs_is_a_sentence(served: Served) -> None:
    """If pynet hangs, no command waits for long, and doctor tells it from a pynet that answers."""
    for pid in served.pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        hung = command(served, "status")
        doctor = command(served, "doctor", PYNET_STATE_DIR=str(served.state))
    finally:
        for pid in served.pids:
            os.kill(pid, signal.SIGCONT)
    assert (hung.returncode, "it accepts calls and did not answer within 5 s" in hung.stderr) == (NOT_SERVING, True)
    assert "does not answer them" in doctor.stdout
    assert "did not answer" not in command(served, "doctor").stdout


def test_whoever_is_not_root_is_told_so(served: Served) -> None:
    """A user who is not root gets one sentence without an errno, and nothing about a read-only file."""
    sentence = f"Error: ask the pynet that serves '{served.socket}': permission denied; run it as root\n"
    for words in COMMANDS:
        refused = command(served, words, *NOBODY)
        assert (refused.returncode, refused.stderr) == (PRIVILEGES, sentence)


@pytest.mark.parametrize("words", COMMANDS)
def test_without_a_pynet_and_without_a_state_it_says_how_to_start_one(tmp_path: Path, words: str) -> None:
    """Without pynet and state the commands say how to start pynet, and do not advise to delete anything."""
    nobody = Served(tmp_path)
    nobody.socket.parent.mkdir()
    said = command(nobody, words, PYNET_STATE_DIR=str(tmp_path / "none"))
    assert f"no pynet serves '{nobody.socket}'; start it with" in said.stderr
    assert (said.returncode == 0) is (words == "settings")
    assert "delete" not in said.stdout + said.stderr


def test_a_state_of_roots_alone_is_a_sentence(served: Served) -> None:
    """Without a running pynet, a user who is not root is refused with a sentence."""
    served.kill()
    served.socket.unlink()
    refused = command(served, "ports", *NOBODY, PYNET_STATE_DIR=str(served.state))
    assert refused.stderr == f"Error: read the state in '{served.state}': permission denied; run it as root\n"
