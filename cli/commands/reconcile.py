"""``pynet reconcile``: repairs as lines."""

from collections.abc import Callable, Mapping, Sequence

from plugin.engine.names import Known, with_names


def repair_rows(repairs: Sequence[Mapping[str, str]], ask: Callable[[], Known]) -> list[dict[str, str]]:
    """Return repairs of a reply with the keys of commands, and with the names that ``ask`` returns for ids."""
    known = ask() if repairs else Known()
    return [
        {
            "kind": each["Kind"],
            "sentence": with_names(each["Sentence"], known),
            "error": with_names(each["Error"], known),
        }
        for each in repairs
    ]


def as_outcomes(repairs: Sequence[Mapping[str, str]], *, due: bool) -> str:
    """Return a line for each repair, which was made or failed, or is ``due``."""
    made = "due" if due else "repaired"
    return "\n".join(f"{'not repaired' if one['error'] else made}: {as_lines([one])}" for one in repairs)


def as_lines(repairs: Sequence[Mapping[str, str]]) -> str:
    """Return a line for each repair; a failed one has the reason."""
    return "\n".join(f"{r['sentence']}" + (f" (failed: {r['error']})" if _adds(r) else "") for r in repairs)


def _adds(repair: Mapping[str, str]) -> bool:
    """Return whether the error says more than the sentence."""
    return repair["error"] not in {"", repair["sentence"]}
