"""Tells for what a slow call waits: where each thread of pynet is, in Python and in the kernel.

The kernel's workers are shown too if they hold or await something, as they hold the lock of all links for long.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.watched import SIGNAL
from tests.kernel.served import Served

PACE = 0.01  # seconds between two looks at the call in flight
WRITTEN = 0.05  # seconds for pynet to write its stacks
WATCHED = (sys.executable, "-m", "bench.watched")  # words in front of the command of a ``Served``
WAITING = "D"  # state of a task that no signal wakes, see proc_pid_stat(5)


class SlowCalls:
    """Reports each call that takes longer than ``limit`` seconds, once, while it lasts."""

    def __init__(self, pynet: Served, limit: float, report: Path) -> None:
        self._pynet = pynet
        self._limit = limit
        self._report = report
        report.parent.mkdir(exist_ok=True)
        self._call = ("", 0.0)  # verb and monotonic time of the call in flight
        threading.Thread(target=self._watch, daemon=True).start()

    @contextmanager
    def call(self, verb: str) -> Iterator[None]:
        """The block makes the call."""
        self._call = verb, time.monotonic()
        try:
            yield
        finally:
            self._call = "", 0.0

    def _watch(self) -> None:
        reported = self._call
        while True:
            time.sleep(PACE)
            call = self._call
            if call[0] and call != reported and time.monotonic() - call[1] > self._limit:
                reported = call
                self._write(f"=== {call[0]} has lasted {time.monotonic() - call[1]:.3f} s\n{self._stacks()}\n")

    def _stacks(self) -> str:
        """Have pynet write its stacks first: the call may end at any moment."""
        length = self._pynet.log.stat().st_size
        for pid in self._pynet.pids[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, SIGNAL)
        kernel = [*_of_kernel(self._pynet.pids)]
        time.sleep(WRITTEN)
        with self._pynet.log.open() as log:
            log.seek(length)
            return "\n".join([*kernel, log.read()])

    def _write(self, text: str) -> None:
        with self._report.open("a") as report:
            report.write(text)


def _of_kernel(pids: list[int]) -> Iterator[str]:
    """Yield the kernel's stacks of the threads of ``pids``, and of other tasks that wait for the kernel."""
    for task in Path("/proc").glob("[0-9]*/task/[0-9]*"):
        with suppress(OSError):
            status = (task / "stat").read_text()
            name, state = status.partition("(")[2].rpartition(")")[::2]
            if int(task.parts[2]) in pids or state.split()[0] == WAITING:
                frames = [line.partition("] ")[2] for line in (task / "stack").read_text().splitlines()]
                yield f"task {task.name} {name} {state.split()[0]}: {' < '.join(frames)}"
