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

from cli.exit_codes import NOT_SERVING
from cli.settings import admin_place
from tests.kernel.activator import PYNET
from tests.kernel.served import Served

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
NETWORK = {"NetworkID": "a1" * 32, "IPv4Data": [{"Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}]}
COMMANDS = ("settings", "ports", "reconcile", "reconcile --dry-run", "status", "backup copy", "cluster status")
READING = ("settings", "ports", "status", "reconcile --dry-run", "network ls", "endpoint ls", "logs")
CHANGING = ("reconcile", "backup copy", "cluster forget other")
GROUP = 65533
USER = ("setpriv", "--reuid=65534", "--regid=65534")
NOBODY, MEMBER = (*USER, "--clear-groups"), (*USER, f"--groups={GROUP}")


@pytest.fixture
def served() -> Iterator[Served]:
    """A pynet with a network, in a folder that everybody may enter and no environment of the commands names."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        served = Served(Path(folder), "env", f"PYNET_ADMIN_GROUP={GROUP}")
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
    said = f"Error: ask the pynet that serves '{admin_place(served.socket)}': permission denied"
    for words in COMMANDS:
        refused = command(served, words, *NOBODY)
        assert (refused.returncode, refused.stderr) == (77, f"{said}; run it as root or join group docker\n")


def test_a_member_of_the_group_may_look_and_root_alone_may_change(served: Served) -> None:
    """The kernel tells pynet the user of a command; the socket's file tells the group."""
    for words in READING:
        looked = command(served, words, *MEMBER)
        assert (looked.returncode, looked.stderr) == (0, "")
    for words in CHANGING:
        refused = command(served, words, *MEMBER)
        assert refused.stderr.endswith("only root may do this, and user 65534 asked; run it as root\n")
        assert refused.returncode == 77
    facts = admin_place(served.socket).stat()
    assert (facts.st_mode & 0o777, facts.st_uid, facts.st_gid) == (0o660, 0, GROUP)
    assert served.socket.stat().st_mode & 0o777 == 0o600


def test_after_a_kill_the_next_pynet_has_the_socket(served: Served) -> None:
    """The file of a killed pynet is replaced, and there is none when a pynet has ended."""
    served.kill()
    assert "no pynet serves" in command(served, "status").stderr
    served.start()
    assert command(served, "status", *MEMBER).returncode == 0
    served.terminate()
    assert not admin_place(served.socket).exists()


def test_a_folder_that_cannot_be_written_takes_commands_away_and_no_network(tmp_path: Path) -> None:
    """Pynet serves the engine, and its log says why it cannot be asked; no command takes it for a stopped one."""
    served = Served(tmp_path, "env", "PYNET_ADMIN_SOCKET=/proc/none/admin.sock")
    served.start()
    assert served.call("NetworkDriver.CreateNetwork", **NETWORK) == {}
    said = command(served, "ports").stderr
    served.kill()
    assert "the commands cannot ask this pynet: listen on '/proc/none/admin.sock'" in served.log.read_text()
    assert "it has no socket for commands" in said


@pytest.mark.parametrize("words", COMMANDS)
def test_without_a_pynet_and_without_a_state_it_says_how_to_start_one(tmp_path: Path, words: str) -> None:
    """Without pynet and state the commands say how to start pynet, and do not advise to delete anything."""
    nobody = Served(tmp_path)
    nobody.socket.parent.mkdir()
    said = command(nobody, words, PYNET_STATE_DIR=str(tmp_path / "none"))
    assert f"no pynet serves '{admin_place(nobody.socket)}'; start it with" in said.stderr
    assert (said.returncode == 0) is (words == "settings")
    assert "delete" not in said.stdout + said.stderr


def test_a_state_of_roots_alone_is_a_sentence(served: Served) -> None:
    """Without a running pynet, a user who is not root is refused with a sentence."""
    served.kill()
    admin_place(served.socket).unlink()
    refused = command(served, "ports", *NOBODY, PYNET_STATE_DIR=str(served.state))
    assert refused.stderr == f"Error: read the state in '{served.state}': permission denied; run it as root\n"
