"""Prometheus' text format, version 0.0.4, written by hand: prometheus_client would be loaded for this alone.

https://prometheus.io/docs/instrumenting/exposition_formats/ has the rules for escapes and the order of lines.
"""

from collections.abc import Sequence

from plugin.observe.metrics import METRICS, Metric

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_IN_LABELS = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})


def labels(names: Sequence[str], values: Sequence[str]) -> str:
    """Return the labels of a series as text, "" for none."""
    pairs = [f'{name}="{value.translate(_IN_LABELS)}"' for name, value in zip(names, values, strict=True)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


class Page:
    """The series of one scrape. ``text`` has them by metric, in the order of the declarations."""

    def __init__(self) -> None:
        self._lines: dict[Metric, list[str]] = {metric: [] for metric in METRICS}

    def add(self, metric: Metric, value: float, *values: str) -> None:
        """Add a counter or a gauge; ``values`` are those of its labels."""
        self.add_rendered(metric, value, labels(metric.labels, values))

    def add_rendered(self, metric: Metric, value: float, rendered: str) -> None:
        """Add a counter or a gauge whose labels are text already: many metrics of an endpoint have the same."""
        self._lines[metric].append(f"{metric.name}{rendered} {value}\n")

    def add_summary(self, metric: Metric, total: float, count: int, *values: str) -> None:
        """Add the sum and the number of observations."""
        rendered = labels(metric.labels, values)
        self._lines[metric] += [f"{metric.name}_sum{rendered} {total}\n", f"{metric.name}_count{rendered} {count}\n"]

    def add_histogram(
        self, metric: Metric, bounds: Sequence[float], counts: Sequence[int], total: float, values: Sequence[str]
    ) -> None:
        """Add observations by bucket: ``counts`` has one more than the upper ``bounds``."""
        lines, below = self._lines[metric], 0
        names = (*metric.labels, "le")
        for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
            below += count
            lines.append(f"{metric.name}_bucket{labels(names, (*values, bound))} {below}\n")
        self.add_summary(metric, total, below, *values)

    def text(self) -> str:
        """Return the whole page."""
        return "".join(f"{_head(metric)}{''.join(lines)}" for metric, lines in self._lines.items() if lines)


def _head(metric: Metric) -> str:
    return f"# HELP {metric.name} {metric.help.translate(_IN_HELP)}\n# TYPE {metric.name} {metric.kind}\n"
