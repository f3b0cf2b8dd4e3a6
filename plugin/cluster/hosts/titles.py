"""The names of other hosts, for people: the records of the cluster have their ids."""

import time
from collections.abc import Callable, Collection, Mapping

from netlink.deadline import within
from plugin.cluster.hosts.records import KnownHost
from plugin.errors import PynetError
from plugin.store.base import Store

PATIENCE = 1.0  # seconds for all names of one question
AGAIN = 10.0  # seconds without questions after the store did not answer
HOLDS = 600.0  # seconds for which a name is remembered; a host may be renamed


class HostTitles:
    """Remembers names; a question costs one reading for each host that it has not asked about lately."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}  # names, and when they were read
        self._away_until = float("-inf")

    def of(self, hosts: Collection[str]) -> Mapping[str, str]:
        """Return the names of hosts by id, as far as they are known; while the store is away those known before."""
        now = self._clock()
        old = [host for host in hosts if host not in self._known or self._known[host][1] + HOLDS < now]
        if old and now >= self._away_until:
            try:
                with within(PATIENCE):
                    for host in old:
                        item = self._store.get(KnownHost, host)
                        self._known[host] = (item.record.name if item else "", now)
            except PynetError:
                self._away_until = now + AGAIN
        return {host: self._known[host][0] for host in hosts if host in self._known}
