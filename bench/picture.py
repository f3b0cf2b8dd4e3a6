"""Draws docs/bench.svg from results of the benchmarks: bars with their figures, without any library.

    python -m bench.picture bench/results/20261128-094048.json bench/results/scale-20261128-143000.json

The files are those that ``make bench`` and ``make bench-scale`` write. Each panel is drawn from the last file that has
figures for it; bars without figures are left out, and the command says which.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

TARGET = Path(__file__).parents[1] / "docs/bench.svg"
WIDTH, LABELS, BARS, ROW, BAR = 760, 265, 400, 17, 12  # pixels
STYLE = (
    "text{font:13px sans-serif;fill:#24292f}.title{font-weight:bold;font-size:14px}.paper{fill:#fff}"
    ".bridge{fill:#8c959f}.pynet{fill:#0969da}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.paper{fill:#0d1117}.bridge{fill:#6e7681}.pynet{fill:#58a6ff}}"
)
LEGEND = {"bridge": "Docker's bridge driver", "pynet": "pynet"}
START = re.compile(r"start, (one|\d+) ports?")
STARTS = ("1 port", "50 ports", "500 ports")
CREATIONS = ("whole command, first network", "inside pynet, with 1,000 networks")
STREAMS = ("container to container", "container to container, --internal", "host to container", "container to outside")
Figures = dict[str, float]  # by driver


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars that share a unit and a scale, by their labels; ``expected`` are those that the picture should have."""

    title: str
    rows: dict[str, Figures]
    expected: tuple[str, ...]


def panels(results: Sequence[Any]) -> list[Panel]:
    """Return all panels; one that has no figures in ``results``, the parsed files in their order, has no rows."""
    entries = [entry for result in results for entry in (result if isinstance(result, list) else [result])]
    wider = _last(entries, "wider")
    return [
        Panel("Start of a container with published ports, ms (shorter is better)", dict(_starts(wider)), STARTS),
        Panel("Creation of a network, ms (shorter is better)", dict(_creations(entries)), CREATIONS),
        Panel("Throughput of one TCP stream, MB/s (longer is better)", dict(_streams(entries)), STREAMS),
    ]


def _last(entries: Sequence[Any], key: str) -> Sequence[Any]:
    """Return the rows under ``key`` of the last entry that has some; they are measured on the newest engine."""
    found: Sequence[Any] = next((entry[key] for entry in reversed(entries) if entry.get(key)), ())
    return found


def _compared(row: dict[str, Any]) -> Figures:
    return {driver: row[driver] for driver in LEGEND}


def _starts(wider: Sequence[Any]) -> Iterator[tuple[str, Figures]]:
    for row in wider:
        if found := START.fullmatch(row["what"]):
            number = found[1].replace("one", "1")
            yield f"{number} port{'s' * (number != '1')}", _compared(row)


def _creations(entries: Sequence[Any]) -> Iterator[tuple[str, Figures]]:
    """Yield the command as Docker's users see it, and the part inside pynet with few and with many networks."""
    for row in _last(entries, "steps"):
        if row["step"] == "network create":
            yield "whole command, first network", _compared(row)
    sizes = [entry for entry in entries if entry.get("networks") and entry.get("verbs")]
    for size in sizes[-1:]:
        for row in size["verbs"]:
            if row["verb"].endswith("CreateNetwork"):
                yield "inside pynet, first networks", {"pynet": row["few"]}
                yield f"inside pynet, with {size['networks']:,} networks", {"pynet": row["many"]}


def _streams(entries: Sequence[Any]) -> Iterator[tuple[str, Figures]]:
    """Yield the throughput with the defaults of pynet and of the kernel, where bridged packets meet iptables."""
    for row in _last(entries, "traffic"):
        if row["figure"] == "rate" and row["filtered"]:
            yield row["way"], {"bridge": row["values"]["bridge"], "pynet": row["values"]["auto"]}


def draw(wanted: Sequence[Panel]) -> str:
    """Return the picture of panels that have rows."""
    shapes, y = [*_legend()], 2 * ROW
    for panel in wanted:
        y += 2 * ROW
        shapes.append(f'<text class="title" x="10" y="{y}">{escape(panel.title)}</text>')
        longest = max(value for figures in panel.rows.values() for value in figures.values())
        for label, figures in panel.rows.items():
            y += ROW // 2
            shapes.append(f'<text x="10" y="{y + ROW - 2}">{escape(label)}</text>')
            for driver, value in figures.items():
                shapes += _bar(driver, value, value / longest, y)
                y += ROW
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + ROW}" role="img">'
    paper = f'<rect class="paper" width="{WIDTH}" height="{y + ROW}"/>'
    return "\n".join(
        [head, "<title>pynet and Docker's bridge driver</title>", f"<style>{STYLE}</style>", paper, *shapes, "</svg>\n"]
    )


def _legend() -> Iterator[str]:
    for x, (driver, words) in zip((10, LABELS), LEGEND.items(), strict=True):
        yield f'<rect class="{driver}" x="{x}" y="{ROW}" width="{BAR}" height="{BAR}"/>'
        yield f'<text x="{x + ROW}" y="{ROW + BAR - 1}">{words}</text>'


def _bar(driver: str, value: float, part: float, y: int) -> list[str]:
    width = max(1.0, BARS * part)
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return [
        f'<rect class="{driver}" x="{LABELS}" y="{y + 2}" width="{width:.1f}" height="{BAR}"/>',
        f'<text x="{LABELS + width + 6:.1f}" y="{y + BAR + 1}">{text}</text>',
    ]


def main(arguments: Sequence[str], target: Path = TARGET) -> int:
    """Draw the files named in ``arguments`` into ``target``."""
    wanted = panels([json.loads(Path(name).read_text()) for name in arguments])
    for panel in wanted:
        for label in panel.expected:
            if label not in panel.rows:
                print(f"left out, as no file has figures: {panel.title.partition(',')[0]}, {label}")
    drawn = [panel for panel in wanted if panel.rows]
    if not drawn:
        print("nothing to draw: name files that `make bench` and `make bench-scale` have written", file=sys.stderr)
        return 1
    target.write_text(draw(drawn))
    print(f"written to {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
