"""Tells which hosts there are: each renews a record that vanishes by itself, and has another one that stays.

The thread that renews does nothing else, and waits for no lock that is held while the store is asked: a host whose
lease ends counts as dead, although its containers run.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from plugin.background.loop import Loop
from plugin.cluster.hosts.records import ClusterHost, HostTakeover, KnownHost
from plugin.errors import PynetError
from plugin.store.base import CHUNK, ClusterStore, Put, Remove

log = structlog.get_logger()

LEASE = 30  # seconds without a renewal after which a host counts as dead, and may be forgotten
BEAT = 10.0  # seconds between two renewals
RETRY = 1.0  # seconds between two attempts while the cluster store is away


class Membership:
    """Renews this host's record every ``beat`` seconds.

    ``returned`` is called when the cluster store is back, and when the record had vanished. ``available`` tells whether
    the store answered the last renewal, ``answering_since`` since when, by the monotonic clock, it has answered all of
    them in time; None while it is away.
    """

    def __init__(
        self, store: ClusterStore, me: ClusterHost, returned: Callable[[], object], beat: float = BEAT
    ) -> None:
        self._store = store
        self._me = me
        self._returned = returned
        self._beat = beat
        self._stopped = threading.Event()
        self._loop: Loop[bool] | None = None
        self._tried = False
        self.available = False
        self.answering_since: float | None = None

    def start(self) -> Loop[bool]:
        """Renew for the first time, which may fail; start the thread that goes on, and return it."""
        self._loop = Loop("lease", self._due, self._renew, pauses=(RETRY, RETRY))
        self._loop.attempt(True)
        return self._loop.start()

    def stop(self) -> None:
        """End the thread. The record stays until its time is over, because containers keep their addresses."""
        self._stopped.set()
        if self._loop is not None:
            self._loop.join(5)

    def renew(self) -> None:
        """Renew once."""
        was_available = self.available
        try:
            # A host that was paused for longer than its lease counted as dead, and may have been forgotten.
            was_alive = self._store.announce(self._me, LEASE) and was_available
            if not was_alive:
                self._come_back()
        except PynetError as error:
            self._lose()
            if was_available or not self._tried:
                log.warning("cluster store away, joins of shared networks fail meanwhile", error=str(error))
        else:
            self.available = True
            if not was_alive:
                self.answering_since = time.monotonic()
                log.info("cluster store reached", host=self._me.id, address=str(self._me.address))
                self._returned()
        self._tried = True

    def _come_back(self) -> None:
        """Tell that this host is there again, and end a takeover of its addresses, should one have begun.

        The order counts: after the first write no takeover can begin any more, and one that has begun is seen.
        """
        self._store.transact(Put(KnownHost(self._me.id, self._me.name, self._me.address)))
        prefix = f"{self._me.id}/"
        taken = [item.record for item in self._store.list(HostTakeover, prefix)]
        keys = [record.key for record in taken] + list(self._store.set_aside(HostTakeover, prefix))
        if not keys:
            return
        log.warning(
            "this host counted as dead and lost addresses, see: pynet cluster status",
            to=sorted({record.by for record in taken}),
            networks=[record.network for record in taken],
        )
        for start in range(0, len(keys), CHUNK):
            self._store.transact(*(Remove(HostTakeover, key) for key in keys[start : start + CHUNK]))

    def _due(self) -> bool | None:
        return None if self._stopped.wait(self._beat if self.available else min(RETRY, self._beat)) else True

    def _renew(self, _due: bool) -> None:  # noqa: FBT001 - the loop passes what ``_due`` returned
        try:
            self.renew()
        except Exception:
            self._lose()
            raise

    def _lose(self) -> None:
        self.available, self.answering_since = False, None


@dataclass(frozen=True, slots=True)
class HostState:
    """A host, as it is shown to people: ``age`` is in seconds since it renewed, None if the store does not tell."""

    id: str
    name: str
    address: str
    alive: bool
    age: float | None = None


def host_states(store: ClusterStore) -> Sequence[HostState]:
    """Return every host that was not forgotten, by name."""
    alive = {item.record.id: item.record for item in store.list(ClusterHost)}
    ages = store.ages(ClusterHost)
    states = [HostState(h.id, h.name, str(h.address), alive=True, age=ages.get(h.id)) for h in alive.values()]
    known = [item.record for item in store.list(KnownHost) if item.record.id not in alive]
    states += [HostState(h.id, h.name, str(h.address), alive=False) for h in known]
    return sorted(states, key=lambda state: (state.name, state.id))
