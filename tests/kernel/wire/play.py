"""Sends all kinds of frames at once, and collects which listener heard which."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias

from tests.kernel.wire.ends import Ends, Station, packed
from tests.kernel.wire.stamp import number_of, stamped
from tests.kernel.wire.table import KINDS

PLAYER = str(Path(__file__).with_name("player.py"))
ALL4, ALL6 = packed("224.0.0.1"), packed("ff02::1")
BRIDGES = [f"01:80:c2:00:00:0{last:x}" for last in range(16)]  # IEEE 802.1D, table 7-10
GROUPS = {mac: Station(packed(mac), ALL4, ALL6, b"") for mac in BRIDGES}
EVERYBODY = {
    "all": Station(b"\xff" * 6, b"\xff" * 4, ALL6, b""),
    "all of IPv4": Station(packed("01:00:5e:00:00:01"), ALL4, ALL6, b""),
    "all of IPv6": Station(packed("33:33:00:00:00:01"), ALL4, ALL6, b""),
} | GROUPS
LAST = 0xFFFF  # the number of the frame after which nothing comes
Process: TypeAlias = "subprocess.Popen[str]"
Run = Callable[[list[str]], Process]


class Heard(NamedTuple):
    """A kind of frame, the destination that it was sent to, and who heard it."""

    kind: str
    to: str
    by: str


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part: the sender on ``link``, its stations, and listeners by how to start them where they are.

    The first listener is somebody who hears what is sent to all.
    """

    ends: Ends
    send: Run
    link: str
    listeners: list[tuple[Run, list[str]]]


def start(command: list[str]) -> Process:
    """Start a player in the namespace of this thread."""
    return subprocess.Popen([sys.executable, "-S", PLAYER, *command], stdin=-1, stdout=-1, text=True)


def within(pid: int) -> Run:
    """Return what starts a player in the namespace of a process."""
    enter = ["nsenter", "-n", "-t", str(pid), "--", sys.executable, "-S", PLAYER]
    return lambda command: subprocess.Popen([*enter, *command], stdin=-1, stdout=-1, text=True)


def script(ends: Ends) -> tuple[list[bytes], dict[int, tuple[str, str]]]:
    """Return all frames, and which kind to which destination a number stands for."""
    stations = {"neighbour": ends.to, "gateway": ends.gateway} | EVERYBODY
    frames: list[bytes] = []
    meaning: dict[int, tuple[str, str]] = {}
    for number, ((to, receiver), kind) in enumerate(product(stations.items(), KINDS.values())):
        parts = kind.build(Ends(ends.me, ends.other, ends.gateway, receiver, number))
        frames += stamped([parts] if isinstance(parts, bytes) else parts, number)
        meaning[number] = (kind.name, to)
    return frames, meaning


def ethertypes(frames: Iterable[bytes]) -> list[str]:
    """Return the EtherTypes of frames as the kernel sees them, which calls all of IEEE 802.2 by a number of its own."""
    kinds = {int.from_bytes(frame[12:14], "big") for frame in frames}
    return [str(kind) for kind in sorted({kind if kind >= 0x600 else 4 for kind in kinds})]


def play(cast: Cast) -> set[Heard]:
    """Send all kinds of frames from one place to all destinations; return who heard what."""
    frames, meaning = script(cast.ends)
    last = Ends(cast.ends.me, cast.ends.other, cast.ends.gateway, EVERYBODY["all"], LAST)
    frames += stamped([last.arp(1, cast.ends.me.pair)], LAST)
    kinds = ":".join(ethertypes(frames))
    wanted = [(run, [f"{w}:{kinds}" if w.startswith("port:") else w for w in words]) for run, words in cast.listeners]
    with hearing(wanted) as listening, cast.send(["send", cast.link]) as sender:
        sender.communicate("\n".join(frame.hex() for frame in frames), timeout=60)
        assert sender.returncode == 0
        numbers = collect(listening)
    return {Heard(*meaning[number], by) for by, number in numbers if number in meaning}


@contextmanager
def hearing(listeners: Iterable[tuple[Run, list[str]]]) -> Iterator[list[Process]]:
    """Start listeners."""
    with ExitStack() as stack:
        started = [stack.enter_context(run(["hear", *words])) for run, words in listeners]
        for process in started:
            assert _lines(process).readline() == "ready\n"
        yield started


def collect(listening: list[Process]) -> set[tuple[str, int | None]]:
    """Return who heard which number; when the first has heard the last frame, all have heard all."""
    lines = []
    for line in _lines(listening[0]):
        lines.append(line)
        if number_of(bytes.fromhex(line.split()[1])) == LAST:
            break
    for process in listening:
        assert process.stdin is not None
        process.stdin.close()
        lines += _lines(process).readlines()
        assert process.wait(timeout=20) == 0
    return {(by, number_of(bytes.fromhex(frame))) for by, frame in (line.split() for line in lines)}


def _lines(process: Process) -> IO[str]:
    assert process.stdout is not None
    return process.stdout
