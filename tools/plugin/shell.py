"""Commands, their output, and their failures in one sentence."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

STEPS = 5  # of a whole ``make plugin``
SLOW = 2.0  # seconds after which a step says how long it took


def run(*argv: str | Path, timeout: float = 600, cwd: Path | None = None) -> str:
    """Run a command and return its output; if it fails, end this program with its complaint."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, cwd=cwd, check=False)
    except FileNotFoundError:
        fail(f"'{words[0]}' is not installed")
    except subprocess.TimeoutExpired:
        fail(f"'{' '.join(words[:3])} …' took over {timeout:g} s")
    if done.returncode:
        fail(f"'{' '.join(words[:3])} …' failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def works(*argv: str | Path, timeout: float = 60) -> bool:
    """Whether a command ends with 0."""
    return not complaint(*argv, timeout=timeout)


def complaint(*argv: str | Path, timeout: float = 60) -> str:
    """Run a command and return why it failed, "" when it did not."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit status {done.returncode}"


def say(text: str) -> None:
    """Tell the user about the progress."""
    print(f"plugin: {text}", flush=True)


@contextmanager
def step(number: int, text: str) -> Iterator[None]:
    """Name one of ``STEPS`` before it begins, and say how long it took if that was long."""
    say(f"{number}/{STEPS} {text}")
    start = time.monotonic()
    yield
    took = time.monotonic() - start
    if took > SLOW:
        say(f"{number}/{STEPS} took {took:.0f} s")


def fail(text: str) -> NoReturn:
    """End with a sentence."""
    sys.exit(f"plugin: {text}")
