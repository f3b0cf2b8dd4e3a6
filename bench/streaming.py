"""One TCP connection between two network namespaces: throughput, round trips, and CPU.

CPU is that of both ends and of ksoftirqd: a packet between namespaces of one machine is carried by the process that
sends it, through all hosts in between, or by ksoftirqd. This figure suffers least from other load on the machine.
"""

import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STREAM = Path(__file__).with_name("stream.py")
BULK, TRIPS = 0.8, 0.3  # seconds
UNITS: Mapping[str, str] = {"rate": "MB/s", "cpu": "CPU s a GB", "trip": "µs a round trip"}


@dataclass(frozen=True)
class Figures:
    """MB/s, seconds of CPU a gigabyte, and the median of the microseconds of a round trip."""

    rate: float
    cpu: float
    trip: float


def stream(sender: Sequence[str], receiver: Sequence[str], address: str) -> Figures:
    """Measure one connection; ``sender`` and ``receiver`` are the prefixes of commands in their namespaces."""
    before = _ksoftirqd()
    rate, size, busy, _ = _run(sender, receiver, "bulk", address, BULK)
    busy += _ksoftirqd() - before
    *_, trip = _run(sender, receiver, "trips", address, TRIPS)
    return Figures(rate, busy / size * 1e9, trip)


def medians(figures: Sequence[Figures], base: Sequence[Figures], of: str) -> dict[str, float]:
    """Return the median of each figure, and that of its ratios to ``base``, called ``of``, within a round."""
    rows: dict[str, float] = {}
    for key in UNITS:
        rows[key] = statistics.median(getattr(figure, key) for figure in figures)
        pairs = zip(figures, base, strict=True)
        rows[f"{key}/{of}"] = statistics.median(getattr(one, key) / getattr(other, key) for one, other in pairs)
    return rows


def _run(
    sender: Sequence[str], receiver: Sequence[str], kind: str, address: str, seconds: float
) -> tuple[float, float, float, float]:
    """Return the receiver's figure, the bytes that it received, the seconds of CPU of both, and µs of a trip."""
    program = (sys.executable, str(STREAM))
    with subprocess.Popen([*receiver, *program, f"receive-{kind}"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        command = [*sender, *program, f"send-{kind}", address, str(seconds)]
        try:
            sent = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=30)
        except subprocess.SubprocessError:
            process.kill()
            raise
        rate = float(process.stdout.readline())
        size, busy = map(float, process.stdout.readline().split())
    own, trip = map(float, sent.stdout.split())
    return rate, size, busy + own, trip


def _ksoftirqd() -> float:
    """Return the seconds of CPU that all threads of ksoftirqd have used."""
    folders = [path.parent for path in Path("/proc").glob("[0-9]*/comm") if _name(path).startswith("ksoftirqd/")]
    return sum(int((folder / "schedstat").read_text().split()[0]) for folder in folders) / 1e9


def _name(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # the process has ended
