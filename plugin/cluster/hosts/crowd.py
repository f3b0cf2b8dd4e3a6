"""Counts the hosts of the cluster, so that together they ask the cluster store no more than a few hosts would."""

import random
from collections.abc import Callable

from plugin.cluster.hosts.records import ClusterHost
from plugin.store.base import ClusterStore

ENOUGH = 50  # hosts that may compare their records as often as a single one; more of them share that rate
CLEANERS = 8  # hosts that clean up for all in each round of comparisons


class Crowd:
    """The hosts that were alive at the last ``look``; one before the first. ``chance`` (0 to 1) draws lots."""

    def __init__(self, store: ClusterStore, chance: Callable[[], float] = random.random) -> None:
        self._store = store
        self._chance = chance
        self.count = 1

    def look(self) -> None:
        """Count again; raises ``PynetError``."""
        self.count = max(1, len(self._store.list(ClusterHost)))

    def stretch(self) -> float:
        """Return by how much a host waits longer between two comparisons than in a small cluster."""
        return max(1.0, self.count / ENOUGH)

    def cleans(self) -> bool:
        """Draw whether this host cleans up for all this time: every host of a few does, and some of many."""
        return self._chance() * self.count < CLEANERS
