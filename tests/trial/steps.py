"""Steps of a trial: each is a script on a bare machine, a row of the table, and a paragraph of the transcript."""

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.trial.machine import Machine

SHOWN = 4000  # characters of what a step printed that went wrong
LINES = 25  # of what a step printed, in the transcript
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Transcript:
    """A file of Markdown: what was typed on a machine, what it answered, and whether that was right."""

    def __init__(self, path: Path, title: str) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {title}\n")

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._add(f"\n## {text}\n")

    def step(self, row: "Row", script: str, output: str) -> None:
        """Add a step; of a long output the beginning and the end are kept."""
        lines = COLOUR.sub("", output).rstrip().splitlines()
        if len(lines) > LINES:
            lines = [*lines[: LINES // 2], f"[{len(lines) - LINES} lines more]", *lines[-(LINES - LINES // 2) :]]
        said = "".join(f"{line}\n" for line in (f"$ {script}", *lines))
        self._add(f"\n{row.verdict}: {row.what}, {row.seconds:.1f} s\n\n```\n{said}```\n")

    def _add(self, text: str) -> None:
        with self._path.open("a") as file:
            file.write(text)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    what: str
    good: bool
    seen: str
    seconds: float

    @property
    def verdict(self) -> str:
        """The word for a reader."""
        return "right" if self.good else "WRONG"


class Steps:
    """A bare machine and the results on it."""

    def __init__(self, machine: Machine, transcript: Transcript) -> None:
        self.machine = machine
        self.transcript = transcript
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
        """Run a script, note it, and return its output; it is wrong if the exit code or the output is."""
        start = time.monotonic()
        command = self.machine.command(script, user)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        good = (done.returncode != 0) == fails and right(done.stdout)
        last = (done.stdout.strip().splitlines() or [""])[-1]
        self.note(Row(what, good, f"{last} (status {done.returncode})", time.monotonic() - start), script, done.stdout)
        if not good:
            print(done.stdout[-SHOWN:], flush=True)
        return done.stdout

    def note(self, row: Row, script: str = "", output: str = "") -> None:
        """Print a row of the table, and add it to the transcript."""
        self.wrong += not row.good
        print(
            f"| {self.machine.suite} | {row.what} | {row.verdict} | {row.seconds:.0f} s | {row.seen[:150]} |",
            flush=True,
        )
        self.transcript.step(row, script or row.what, output or row.seen)

    def works(self, script: str) -> bool:
        """Say whether a script ends well, without a row."""
        return subprocess.run(self.machine.command(script), capture_output=True, check=False).returncode == 0


def says(*words: str) -> Callable[[str], bool]:
    """Return a function that looks for words in an output."""
    return lambda text: all(word in text for word in words)
