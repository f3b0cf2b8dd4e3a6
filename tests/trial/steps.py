"""Steps of a trial: each is a script on a bare machine, and a row of the table."""

import subprocess
import time
from collections.abc import Callable

from tests.trial.machine import Machine

SHOWN = 4000  # characters of what a step printed that went wrong


class Steps:
    """A bare machine and the results on it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.wrong = 0

    def step(
        self,
        what: str,
        script: str,
        *,
        user: str = "root",
        fails: bool = False,
        right: Callable[[str], bool] = lambda _: True,
    ) -> str:
        """Run a script, print a row, and return its output; a row is wrong if the exit code or the output is."""
        start = time.monotonic()
        command = self.machine.command(script, user)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        good = (done.returncode != 0) == fails and right(done.stdout)
        last = (done.stdout.strip().splitlines() or [""])[-1]
        self.row(what, good, f"{last} (status {done.returncode})", time.monotonic() - start)
        if not good:
            self.wrong += 1
            print(done.stdout[-SHOWN:], flush=True)
        return done.stdout

    def row(self, what: str, good: bool, seen: str, seconds: float) -> None:
        """Print a row of the table."""
        verdict = "as it should" if good else "WRONG"
        print(f"| {self.machine.suite} | {what} | {verdict} | {seconds:.0f} s | {seen[:150]} |", flush=True)

    def works(self, script: str) -> bool:
        """Say whether a script ends well, without a row."""
        return subprocess.run(self.machine.command(script), capture_output=True, check=False).returncode == 0


def says(*words: str) -> Callable[[str], bool]:
    """Return a function that looks for words in an output."""
    return lambda text: all(word in text for word in words)
