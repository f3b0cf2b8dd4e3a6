"""A virtual machine that runs tests and then ends."""

import json
import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from tests.vm.packages import Machinery
from tests.vm.serial import MARK

MEGABYTES, WITH_ENGINES = 768, 3072  # of memory, of which half may be files
APPEND = "console=ttyS0 quiet panic=-1 reboot=t mitigations=off"
NICENESS = "-10"  # emulation keeps a processor busy, and a guest that gets less of one answers pings late
TAIL = 60  # lines of the guest that a failure shows


class Lost(Exception):
    """The guest ended, hung or could not read the tests; the text has its last lines."""


def command(machinery: Machinery, image: int, megabytes: int = MEGABYTES, words: str = "") -> list[str]:
    """Return the command of a guest with one processor, and no device but a serial line, which is its output.

    ``image`` is the number of the open file with its file system. ``words`` are NAME=VALUE for the environment of the
    guest's first program: the kernel hands on those that it does not know.

    Of the emulated machines "pc" is chosen: a "microvm" finds no clock while other programs keep the host busy. A clock
    that counts instructions (-icount) would make no ping late on a crowded host, but takes 1.3 times the CPU.
    """
    machine = ["-M", "pc", "-accel", "tcg", "-cpu", "max", "-m", str(megabytes)]
    bare = ["-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-serial", "stdio"]
    start = ["-kernel", str(machinery.kernel), "-initrd", f"/proc/self/fd/{image}", "-append", f"{APPEND} {words}"]
    return [*machinery.qemu, *machine, *bare, *start]


class Guest:
    """A running virtual machine, which does not outlive the thread that started it."""

    def __init__(
        self, command: Sequence[str], environment: dict[str, str], limit: float, files: Sequence[int] = ()
    ) -> None:
        """Start it; it has the open ``files`` too, and ``limit`` seconds."""
        self._log: deque[str] = deque(maxlen=TAIL)
        self._rest, self._end = b"", time.monotonic() + limit
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "nice", "-n", NICENESS, *command],
            env=os.environ | environment,
            bufsize=0,
            stdin=subprocess.PIPE,
            pass_fds=files,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def tell(self, data: Any) -> None:
        """Send a line of JSON to its serial line; raises ``Lost`` if it has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(data).encode() + b"\n")
        except BrokenPipeError:
            raise self.lost("the guest ended too early") from None

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what it says to the host, as it says it, until it has nothing left to do.

        Raises:
            Lost: its time is over, it ended too early, or it could not read its tests.
        """
        while True:
            before, mark, text = self._line().partition(MARK)
            if before:
                self._log.append(before)
            if not mark:
                continue
            message = json.loads(text)
            if "broken" in message:
                raise Lost(f"the guest could not read its tests:\n{message['broken']}")
            if "end" in message:
                return
            yield message

    def _line(self) -> str:
        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            left = self._end - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise self.lost("the time of the guest is over")
            piece = os.read(self._process.stdout.fileno(), 1 << 16)
            if not piece:
                raise self.lost("the guest ended before its tests")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    def lost(self, why: str) -> Lost:
        """Return the failure with the last lines that the guest said."""
        return Lost("\n".join([f"{why}; its last lines:", *self._log, self._rest.decode(errors="replace")]))

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
