"""Releases what a dead host holds in one network, so that other hosts can use it.

Three things in the store forbid a takeover of a host that is alive, whatever the clocks say:

* The decision is one transaction that expects that the host's ``ClusterHost`` record does not exist.
* It also expects the ``KnownHost`` record unchanged since the waiting began. A host that returns writes that record,
  so a taker that slept through a return is refused.
* Each removal expects the ``HostTakeover`` record of the decision, and a host that returns removes it.

The membership of the dead host is removed last. So when a taker is killed half-way, the membership leads another one to
the rest.
"""

from collections.abc import Callable, Iterator, Sequence

import structlog

from plugin.cluster.addresses.records import ClusterLease
from plugin.cluster.forget import HostRecord
from plugin.cluster.hosts.records import ClusterHost, HostTakeover, KnownHost
from plugin.cluster.names.records import ClusterName
from plugin.cluster.overlay.records import AddressClaim, Member, Peer
from plugin.store.base import ABSENT, CHUNK, Put, Remove, SharedStore, StoreConflict, Versioned

log = structlog.get_logger()

KINDS: tuple[type[HostRecord], ...] = (Peer, ClusterName, AddressClaim, ClusterLease, Member)


class Taking:
    """Takes over in the name of the host ``me``; ``token`` makes a new one for each attempt."""

    def __init__(self, store: SharedStore, me: str, token: Callable[[], str]) -> None:
        self._store = store
        self._me = me
        self._token = token

    def known(self, host: str) -> Versioned[KnownHost] | None:
        """Return the record to which a takeover of ``host`` is bound; None for a host that is alive or forgotten."""
        if self._store.get(ClusterHost, host) is not None:
            return None
        return self._store.get(KnownHost, host)

    def take(self, known: Versioned[KnownHost], networks: Sequence[str]) -> int:
        """Release the records of a dead host in ``networks``; return their number.

        Raises:
            StoreConflict: the host has been alive since ``known`` was read, or another host takes it over.
            StoreAway: the store does not answer; the rest is left for a later attempt.
        """
        mine = HostTakeover(known.record.id, self._me, self._token())
        before = self._store.get(HostTakeover, mine.host)
        self._store.transact(
            Put(known.record, known.revision),
            Remove(ClusterHost, mine.host, ABSENT),
            Put(mine, before.revision if before else ABSENT),
        )
        released = sum(self._release(mine, network) for network in networks)
        log.warning("dead host taken over", host=known.record.name, networks=list(networks), records=released)
        return released

    def _release(self, mine: HostTakeover, network: str) -> int:
        released = 0
        for kind in KINDS:
            doomed = list(self._held(kind, mine.host, network))
            for start in range(0, len(doomed), CHUNK - 1):
                released += self._remove(mine, doomed[start : start + CHUNK - 1])
        return released

    def _held(self, kind: type[HostRecord], host: str, network: str) -> Iterator[Remove]:
        for item in self._store.list(kind, f"{network}/"):
            if item.record.host == host:
                yield Remove(kind, item.record.key, item.revision)

    def _remove(self, mine: HostTakeover, removals: Sequence[Remove]) -> int:
        """Remove records as long as the takeover is this one; one that changed meanwhile stays."""
        try:
            self._store.transact(self._still(mine), *removals)
        except StoreConflict:
            if len(removals) == 1:
                self._still(mine)  # raises if that is the reason
                return 0
            return sum(self._remove(mine, [removal]) for removal in removals)
        return len(removals)

    def _still(self, mine: HostTakeover) -> Put:
        """Return the change that binds a transaction to this takeover; raises ``StoreConflict`` if it has ended."""
        found = self._store.get(HostTakeover, mine.host)
        if found is None or found.record != mine:
            raise StoreConflict(f"take over host '{mine.host}': it came back, or another host takes it over")
        return Put(mine, found.revision)
