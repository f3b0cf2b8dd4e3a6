"""Counts requests and their durations, by verb and outcome; one observation takes two microseconds."""

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import field

from netlink.values import dataclass
from plugin.observe.metrics import LAYERS, REQUESTS
from plugin.observe.page import Page

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)  # seconds
OK, REFUSED, FAILED = "ok", "refused", "failed"


@dataclass(slots=True)
class _Times:
    """Observations by bucket, and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0


@dataclass(slots=True)
class _Layer:
    """How many requests used a layer, and the seconds that they spent in it."""

    count: int = 0
    total: float = 0.0


class RequestTimes:
    """Every method may be called from any thread. Verbs are those of tables, so their number is bounded."""

    def __init__(self) -> None:
        self._guard = threading.Lock()  # guards the two below
        self._verbs: dict[tuple[str, str], _Times] = {}  # by verb and outcome
        self._layers: dict[str, _Layer] = {}

    def observe(self, verb: str, outcome: str, seconds: float, spent: Mapping[str, float]) -> None:
        """Count a request that took ``seconds``, of which it ``spent`` some in each layer."""
        bucket = bisect_left(BOUNDS, seconds)
        with self._guard:
            times = self._verbs.get((verb, outcome)) or self._verbs.setdefault((verb, outcome), _Times())
            times.counts[bucket] += 1
            times.total += seconds
            for name, inside in list(spent.items()):  # work that hangs goes on and adds to it
                layer = self._layers.get(name) or self._layers.setdefault(name, _Layer())
                layer.count += 1
                layer.total += inside

    def write(self, page: Page) -> None:
        """Add everything to a page."""
        with self._guard:
            verbs = [(names, tuple(times.counts), times.total) for names, times in self._verbs.items()]
            layers = [(name, layer.total, layer.count) for name, layer in self._layers.items()]
        for names, counts, total in sorted(verbs):
            page.add_histogram(REQUESTS, BOUNDS, counts, total, names)
        for name, total, count in sorted(layers):
            page.add_summary(LAYERS, total, count, name)
