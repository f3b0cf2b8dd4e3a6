"""Reads pynet's own times, and prints the table of a benchmark."""

import json
import statistics
from pathlib import Path
from typing import Any


def verb_times(log: Path) -> dict[str, dict[str, float]]:
    """Return the medians of each verb inside pynet, in milliseconds, from its log of JSON lines for debugging.

    ``ms`` is the whole request; ``store_ms``, ``netlink_ms`` and ``nft_ms`` are parts of it.
    """
    seen: dict[str, dict[str, list[float]]] = {}
    for line in log.read_text().splitlines():
        entry = _entry(line)
        if "verb" in entry and "ms" in entry:
            parts = seen.setdefault(str(entry["verb"]), {})
            for key, value in entry.items():
                if key == "ms" or key.endswith("_ms"):
                    parts.setdefault(key, []).append(float(value))
    return {verb: {key: statistics.median(v) for key, v in parts.items()} for verb, parts in sorted(seen.items())}


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def memory(pids: list[int]) -> float:
    """Proportional set size of processes together, in megabytes: shared pages are counted once."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() for pid in pids]
    return sum(int(line.split()[1]) for lines in rollups for line in lines if line.startswith("Pss:")) / 1024


def table(result: dict[str, Any]) -> str:
    """The figures of one engine as a Markdown table with notes below."""
    columns = list(result["steps"][0])
    lines = [
        f"\nDocker Engine {result['engine']}, medians of {result['rounds']} rounds in ms, and of ratios within a round",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
    ]
    for row in result["steps"]:
        cells = [row["step"], *(f"{row[key]:.2f}" if "/" in key else f"{row[key]:.1f}" for key in columns[1:])]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| verb | " + " | ".join(("ms", "store", "netlink", "nft")) + " |", "|---|---|---|---|---|"]
    for verb, parts in result["pynet_verbs_ms"].items():
        cells = [f"{parts[key]:.2f}" if key in parts else "" for key in ("ms", "store_ms", "netlink_ms", "nft_ms")]
        lines.append(f"| {verb} | " + " | ".join(cells) + " |")
    sizes = ", ".join(f"{name} {size:.0f} MB" for name, size in result["memory_mb"].items())
    lines += ["", f"memory (PSS): {sizes}"]
    if result["wider"]:
        lines += ["", "| what | unit | bridge | pynet | pynet/bridge |", "|---|---|---|---|---|"]
    for row in result["wider"]:
        figures = [f"{row[key]:.2f}" if row[key] else "" for key in ("bridge", "pynet", "ratio")]
        lines.append(f"| {row['what']} | {row['unit']} | " + " | ".join(figures) + " |")
    return "\n".join(lines)
