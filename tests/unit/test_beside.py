"""Work in a copy of the process."""

import os
import threading
from pathlib import Path

import pytest

from plugin.background.beside import Beside, Work, afterwards, beside


def asked(how: Beside, work: Work) -> object:
    """Return the result of some work."""
    with how(work) as result:
        return result()


def left() -> tuple[int, str]:
    """Return how many files are open, and the children of this thread."""
    task = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    return len([*Path("/proc/self/fd").iterdir()]), task.read_text()


def test_a_copy_does_the_work_and_this_process_stays_as_it_is() -> None:
    """The result comes back, and nothing else does."""
    seen = {"process": os.getpid()}

    def look() -> int:
        seen["process"] = os.getpid()
        return os.getpid()

    other = asked(beside, look)
    assert (other != os.getpid(), seen["process"]) == (True, os.getpid())
    assert asked(afterwards, look) == os.getpid()


@pytest.mark.parametrize("failure", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_the_caller_sees_the_error_of_the_work(failure: BaseException) -> None:
    """This process does the work that its copy could not do."""

    def fail() -> None:
        raise failure

    with pytest.raises(type(failure)):
        asked(beside, fail)


def test_a_result_that_cannot_be_sent_is_worked_out_here() -> None:
    """Nor does it matter why the copy ended."""
    parent = os.getpid()
    assert asked(beside, lambda: os.kill(os.getpid(), 9) if os.getpid() != parent else "here") == "here"
    assert callable(asked(beside, lambda: lambda: 5))


def test_a_copy_that_hangs_is_ended() -> None:
    """It may wait for a lock of a thread that it does not have."""
    parent = os.getpid()
    with beside(lambda: threading.Event().wait() if os.getpid() != parent else "here", 0.1) as result:
        assert result() == "here"


def test_no_copy_and_no_file_is_left() -> None:
    """Neither when nobody asks for the result, nor when the block fails."""
    before = left()
    for error in (None, ValueError):
        try:
            with beside(lambda: os.read(os.pipe()[0], 1)):
                if error:
                    raise error
        except ValueError:
            pass
    assert left() == before
