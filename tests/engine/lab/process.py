"""Processes that run inside a throw-away host and are started and ended from outside."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.settling import settle


def children(pid: int) -> list[int]:
    """Process ids of the children of every thread of ``pid``; none when it is gone."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(word) for line in lists for word in line.split()]


def descendants(pid: int) -> list[int]:
    """Process ids of all descendants, nearest first."""
    found = children(pid)
    for child in found:
        found.extend(descendants(child))
    return list(dict.fromkeys(found))


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for something that sends no event.

    Raises:
        AssertionError: it did not come true in time; the text names ``what``.
    """
    if settle(lambda: not condition(), seconds, pause=0.02):
        raise AssertionError(f"waited {seconds:g} s for {what}")


class Process:
    """A program inside a host's namespaces; nsenter stands between it and us, since a PID namespace needs a fork."""

    def __init__(self, argv: list[str], log: Path) -> None:
        with log.open("ab") as output:
            self._outer = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self.log = log

    @property
    def alive(self) -> bool:
        """Whether the program still runs."""
        return self._outer.poll() is None

    @property
    def pids(self) -> list[int]:
        """Our view of the process ids of the program and its descendants, itself first."""
        return descendants(self._outer.pid)

    def stop(self, seconds: float = 30) -> None:
        """Ask the program to end (SIGTERM) and wait."""
        self._signal(self.pids[:1], signal.SIGTERM)
        try:
            self._outer.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(all_of_it=True)
            raise

    def kill(self, *, all_of_it: bool) -> None:
        """Kill the program (SIGKILL), with its descendants or without, and wait."""
        pids = self.pids
        self._signal(pids if all_of_it else pids[:1], signal.SIGKILL)
        self._outer.wait(10)

    @staticmethod
    def _signal(pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
