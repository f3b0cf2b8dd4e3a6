"""``pynet reconcile``: repairs as lines."""

from collections.abc import Iterable, Mapping, Sequence


def repair_rows(repairs: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return repairs of a reply with the keys of commands."""
    return [{"kind": each["Kind"], "sentence": each["Sentence"], "error": each["Error"]} for each in repairs]


def as_lines(repairs: Sequence[Mapping[str, str]]) -> str:
    """Return a line for each repair; a failed one has the reason."""
    return "\n".join(f"{r['sentence']}" + (f" (failed: {r['error']})" if r["error"] else "") for r in repairs)
