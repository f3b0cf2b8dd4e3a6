"""Commands with their output, and what went wrong said in full."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.settling import SLOWNESS


class CommandFailed(AssertionError):
    """A command ended with a status other than 0; ``stderr`` is what it complained about."""

    def __init__(self, argv: tuple[str, ...], result: subprocess.CompletedProcess[bytes]) -> None:
        self.stderr = result.stderr.decode(errors="replace").strip()
        self.stdout = result.stdout.decode(errors="replace").strip()
        super().__init__(f"{' '.join(argv)}\nended with {result.returncode}: {self.stderr or self.stdout}")


def run(
    *argv: str | Path,
    stdin: bytes = b"",
    timeout: float = 90 * SLOWNESS,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command and return what it printed.

    Args:
        argv: the command and its arguments.
        stdin: what it reads.
        timeout: seconds after which it is killed.
        env: its whole environment; ours where None.
        cwd: the folder it runs in.

    Raises:
        CommandFailed: it ended with a status other than 0.
    """
    words = tuple(map(str, argv))
    result = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout, env=env, cwd=cwd, check=False)
    if result.returncode != 0:
        raise CommandFailed(words, result)
    return result.stdout.decode(errors="replace").strip()
