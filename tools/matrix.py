"""``make test-matrix``: engine ring and short torture on every engine, with each form of pynet, as a table in the docs.

Each cell is a run of pytest of its own; its row replaces the one in ``docs/engines.md``. A cell that cannot be run is a
row that says why, and for the engine that every machine must have it is a failure.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

from tests.engine.lab.engines import REQUIRED, SUITES, obtain
from tests.engine.lab.suites import Unavailable

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/engines.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- /matrix -->"
HEAD = "| engine | pynet as | result | time | when |\n|---|---|---|---|---|\n"
FORMS = {"socket": "v1 socket", "managed": "managed plugin"}
RING = ("tests/engine", "tests/torture", "-m", "engine")
ONCE = ROOT / "tests/engine/test_package.py"  # the package is the same whatever the engine


@dataclass(frozen=True, slots=True)
class Cell:
    """One run: an engine by its label, and a form of pynet."""

    label: str
    form: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a cell."""

    version: str
    text: str
    seconds: float = 0.0
    good: bool = True


def main() -> int:
    """Run the cells that ``PYNET_ENGINES`` and ``PYNET_FORMS`` name, all by default; return the exit status."""
    labels = os.environ.get("PYNET_ENGINES", "").split() or list(SUITES)
    forms = os.environ.get("PYNET_FORMS", "").split() or list(FORMS)
    good = True
    first = True
    for cell in (Cell(label, form) for form in forms for label in labels):
        result = _run(cell, sys.argv[1:], once=first)
        first = False
        good &= result.good
        if not sys.argv[1:]:  # a part of the ring is no result
            _write(cell, result)
        print(f"matrix: {cell.label} as {FORMS[cell.form]}: {result.text}", flush=True)
    print(_table(_rows()))
    return 0 if good else 1


def _run(cell: Cell, arguments: Sequence[str], *, once: bool) -> Result:
    try:
        engine = obtain(cell.label)
    except Unavailable as why:
        return Result(cell.label, f"NOT TESTED: {why}", good=cell.label != REQUIRED)
    if cell.form == "managed" and not (ROOT / "config.json").exists():
        return Result(engine.version, "NOT TESTED: there is no config.json to make a managed plugin of")
    with TemporaryDirectory(prefix="pynet-matrix-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", *RING, "-q", f"--junitxml={report}", *arguments]
        command += [] if once else [f"--ignore={ONCE}"]
        environment = {**os.environ, "PYNET_ENGINES": cell.label, "PYNET_FORM": cell.form}
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if not report.exists():
            return Result(engine.version, f"pytest ended with {status} and no report", good=False)
        return _read(engine.version, report, status)


def _read(version: str, report: Path, status: int) -> Result:
    suite = ET.parse(report).getroot().find("testsuite")
    assert suite is not None
    count = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
    bad = count["failures"] + count["errors"]
    passed = count["tests"] - bad - count["skipped"]
    text = f"{passed} passed, {bad} failed, {count['skipped']} skipped"
    return Result(version, text, float(suite.get("time", "0")), good=status == 0)


def _write(cell: Cell, result: Result) -> None:
    rows = _rows()
    when = datetime.now(UTC).strftime("%Y-%m-%d") + f", Linux {platform.release().split('-')[0]}"
    time = f"{result.seconds / 60:.1f} min" if result.seconds else "-"
    rows[cell] = f"| {result.version} | {FORMS[cell.form]} | {result.text} | {time} | {when} |"
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{_table(rows)}\n{END}{rest.partition(END)[2]}")


def _rows() -> dict[Cell, str]:
    """Return the rows of the document."""
    table = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]
    found = {}
    for line in table.splitlines():
        words = [word.strip() for word in line.strip("|").split("|")]
        form = next((key for key, name in FORMS.items() if words[1:2] == [name]), "")
        label = next((label for label in SUITES if words[0].startswith(label)), "")
        if form and label:
            found[Cell(label, form)] = line
    return found


def _table(rows: dict[Cell, str]) -> str:
    order = [Cell(label, form) for label in SUITES for form in FORMS]
    return HEAD + "".join(f"{rows[cell]}\n" for cell in order if cell in rows)


if __name__ == "__main__":
    sys.exit(main())
