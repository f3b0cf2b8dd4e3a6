"""Runs ``tests.kernel.prober`` in containers or on the host."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bare import PYTHON
from tests.kernel.container import Container

_PROBER = str(Path(__file__).with_name("prober.py"))
Question = tuple[str, str, str, int]  # protocol, own address or "", address, port


@contextmanager
def answering(*boxes: Container | None, ports: Sequence[int] = (7777, 7778)) -> Iterator[None]:
    """Answer on TCP and UDP in each box, or with None on the host, until the block ends."""
    with ExitStack() as stack:
        for box in boxes:
            command = [*_enter(box), *PYTHON, _PROBER, "serve", *map(str, ports)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.callback(process.communicate)
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        yield


class Asking:
    """A process that asks at once, beside others; ``fates`` waits for it."""

    def __init__(self, box: Container | None, questions: Sequence[Question], *mode: str) -> None:
        command = [*_enter(box), *PYTHON, _PROBER, *(mode or ("ask",))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        self._process.stdin.write("\n".join(map(json.dumps, questions)).encode())
        self._process.stdin.close()
        self._process.stdin = None

    def fates(self) -> list[str]:
        """Return the fate of each question."""
        return self._process.communicate(timeout=30)[0].decode().splitlines()


def _enter(box: Container | None) -> list[str]:
    return ["nsenter", "-n", "-t", str(box.pid), "--"] if box else []
