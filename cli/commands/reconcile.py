"""``pynet reconcile`` and ``pynet status``: repairs and counts as lines."""

from collections.abc import Mapping, Sequence
from typing import Any

from plugin.firewall.bridge_rules import REASONS


def as_lines(repairs: Sequence[Mapping[str, str]]) -> str:
    """Return a line for each repair; a failed one has the reason."""
    return "\n".join(f"{r['Sentence']}" + (f" (failed: {r['Error']})" if r["Error"] else "") for r in repairs)


def as_status(status: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return the counts for people; ``names`` are the names of networks by id."""
    lines = [f"complete checks since the start: {status['Looks']}"]
    lines += [f"repaired {kind}: {count}" for kind, count in sorted(status["Repairs"].items())]
    lines += [
        f"dropped by the guard in network '{names.get(drop['Network'], drop['Network'][:12])}', "
        f"{drop['Reason']} ({REASONS[drop['Reason']]}): {drop['Frames']} frames"
        for drop in status["Drops"]
    ]
    return "\n".join([*lines, *(f"not repaired: {as_lines([repair])}" for repair in status["Failing"])])
