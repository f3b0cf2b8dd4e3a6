"""One pynet for each state folder."""

import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from plugin.errors import Conflict, Failed
from plugin.store.sqlite.lockfile import lock_state

HOLDER = """
import sys
from pathlib import Path
from plugin.store.sqlite.lockfile import lock_state
lock_state(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    """While another process lives the lock is refused with its pid; when it is killed the lock is free."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(Conflict, match=f"another pynet uses it, process {holder.pid}$"):
            lock_state(tmp_path, timeout=0)
        holder.kill()
    lock_state(tmp_path, timeout=0).release()


def test_a_lock_that_is_freed_in_time_is_taken(tmp_path: Path) -> None:
    """A start that overlaps the end of the one before waits for it."""
    first = lock_state(tmp_path)
    taken: list[object] = []
    waiter = threading.Thread(target=lambda: taken.append(lock_state(tmp_path, timeout=20)))
    waiter.start()
    assert taken == []
    first.release()
    waiter.join()
    assert len(taken) == 1


def test_the_folder_is_made_for_root_only(tmp_path: Path) -> None:
    """A missing state folder appears with mode 0700; releasing twice is harmless."""
    lock = lock_state(tmp_path / "state", timeout=0)
    lock.release()
    lock.release()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """An obstacle in the path is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match=r"open lock file '.*/file/lock': (not a directory|file exists)"):
        lock_state(tmp_path / "file")


def test_a_folder_that_is_open_to_others_is_closed(tmp_path: Path) -> None:
    """Records say who talks to whom; the log says what was repaired, once."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "pynet.db").touch()
    with capture_logs() as lines:
        lock_state(folder).release()
        lock_state(folder).release()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [(line["folder"], line["before"]) for line in lines] == [(str(folder), "0755")]


def test_a_new_folder_that_is_open_to_others_is_no_news(tmp_path: Path) -> None:
    """The engine makes the state folder of a managed plugin with mode 0755; that is usual."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o755)
    with capture_logs() as lines:
        lock_state(folder).release()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not lines
