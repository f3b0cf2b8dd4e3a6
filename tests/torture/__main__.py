"""All attempts to break pynet, in one run of at most fifteen minutes, with one table of results.

    make torture                   all of it
    python -m tests.torture sweep cycles      some of it; parts are sweep, containers, cycles and storm
    CROWD=200 make torture                    beside 200 networks of ten endpoints (``tests.torture.crowd``)

Figures also go to ``bench/results`` as JSON. The exit status is 1 when something was lost, left or grew.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.engine.lab.engines import wanted
from tests.engine.lab.host import REPOSITORY
from tests.torture import containers, crowd, cycles
from tests.torture.sweep import sweep

BUDGET = (40 if crowd.NETWORKS else 18) * 60.0  # seconds for everything
CROWDED = 10  # with a crowd every so many cases of the sweep are played
SWEEP = 11 * 60.0  # seconds of them for the sweep at most
RESULTS = REPOSITORY / "bench/results"
STORM = "tests.torture.storm"


class Late(BaseException):
    """The time for everything is up; no part may take it for a failure of its own."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    what: str
    found: str
    wanted: str
    good: bool


def sweep_rows(until: float) -> list[Row]:
    """Kill at every step."""
    report = sweep(CROWDED if crowd.NETWORKS else 1, until=min(until, time.monotonic() + SWEEP))
    return [
        Row(
            "sweep: kill -9 around a step",
            f"{report.cases - report.missed} of {report.planned} cases",
            "all but few",
            report.complete,
        ),
        Row("sweep: something lost, left or stuck", str(len(report.faults)), "0", not report.faults),
        Row("sweep: something waits for the collector", str(len(report.left)), "-", True),
    ]


def container_rows(_until: float) -> list[Row]:
    """Kill below running containers, on every engine."""
    rows = []
    for label in wanted():
        found = containers.survive(label)
        who = f"{found.containers} containers, {found.engine}"
        for what, sent in found.sent.items():
            lost = found.lost[what]
            rows.append(Row(f"{who}: pings lost, {what}", f"{lost} of {sent}", "0", lost == 0))
        rows.append(Row(f"{who}: other faults", str(len(found.faults)), "0", not found.faults))
        print("\n  ".join(containers.lines(found)))
    return rows


def cycle_rows(_until: float) -> list[Row]:
    """Come and go."""
    found = cycles.grow(wanted()[-1])
    print("\n  ".join(cycles.lines(found)))
    grown = {fault.partition(":")[0] for fault in found.faults}
    return [
        Row(
            f"{found.cycles} cycles, {found.engine}: {key}",
            f"{found.end[key]:g}",
            f"{value:g}" if found.most(key) == value else f"{value:g}, up to {found.most(key):.0f}",
            key not in grown,
        )
        for key, value in found.warm.items()
    ]


def storm_rows(until: float) -> list[Row]:
    """Parallel and garbled requests."""
    limit = max(1.0, until - time.monotonic())
    try:
        done = subprocess.run([sys.executable, "-m", STORM], cwd=REPOSITORY, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return [Row("storm", f"not through after {limit:.0f} s", "passes", False)]
    return [Row("storm", f"ended with {done.returncode}", "0", done.returncode == 0)]


PARTS: dict[str, Callable[[float], list[Row]]] = {
    "sweep": sweep_rows,
    "containers": container_rows,
    "cycles": cycle_rows,
    "storm": storm_rows,
}


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| what | found | wanted | |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.found} | {row.wanted} | {'' if row.good else 'BAD'} |" for row in rows]
    return "\n".join(lines)


def main(names: Sequence[str]) -> int:
    """Run parts, or all that are there, and print the table."""
    if os.geteuid() != 0:
        print("torture: needs root, for namespaces and engines of its own", file=sys.stderr)
        return 1
    until, rows = time.monotonic() + BUDGET, list[Row]()
    there = [name for name in PARTS if name != "storm" or importlib.util.find_spec(STORM)]
    signal.signal(signal.SIGALRM, _stop)
    for name in names or there:
        begin = time.monotonic()
        signal.alarm(max(1, int(until - begin)))
        try:
            rows += PARTS[name](until)
        except Late:
            rows.append(Row(name, "not through in time", "through", False))
        signal.alarm(0)
        rows.append(Row(f"{name}: seconds", f"{time.monotonic() - begin:.0f}", "-", True))
    print(f"\n{table(rows)}\n")
    _write(rows)
    return 0 if all(row.good for row in rows) else 1


def _stop(_number: int, _frame: object) -> None:
    raise Late


def _write(rows: Sequence[Row]) -> None:
    RESULTS.mkdir(exist_ok=True)
    path: Path = RESULTS / time.strftime("torture-%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print(f"written to {path.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
