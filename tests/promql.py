"""Reads as much of PromQL as the dashboard and the alerts use: metrics with their labels, and grouped labels."""

import re
from collections.abc import Collection
from dataclasses import dataclass

WORDS = frozenset(
    {"sum", "min", "max", "count", "rate", "by", "or", "bool", "time", "vector", "histogram_quantile", "label_values"}
)
EVERYWHERE = frozenset({"instance", "job"})  # labels that Prometheus adds
_SELECTOR = re.compile(r"(?P<name>[a-z_]\w*)\s*(?P<matchers>\{[^}]*\})?(?:\[[^\]]*\])?", re.IGNORECASE)
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"')
_GROUPED = re.compile(r"\bby\s*\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Selector:
    """A series of an expression, and the labels that it compares."""

    name: str
    labels: Collection[str]


def selectors(expression: str) -> list[Selector]:
    """Return the selectors of an expression; raises ValueError for parentheses that do not match."""
    bare = _GROUPED.sub(" ", expression)
    if any(bare.count(one) != bare.count(other) for one, other in ("()", "{}", "[]")):
        raise ValueError(expression)
    found = []
    for match in _SELECTOR.finditer(bare):
        if match["name"] not in WORDS or match["matchers"]:
            matchers = match["matchers"] or "{}"
            labels = _MATCHER.findall(matchers)
            if re.sub(r"[\s,]", "", _MATCHER.sub("", matchers)) != "{}":
                raise ValueError(expression)
            found.append(Selector(match["name"], labels))
    return found


def grouped(expression: str) -> set[str]:
    """Return the labels by which an expression groups."""
    return {label.strip() for labels in _GROUPED.findall(expression) for label in labels.split(",") if label.strip()}
