"""Releases what a dead host holds in one network, so that other hosts can use it.

Three things in the store forbid a takeover of a host that is alive, whatever the clocks say:

* The decision is one transaction that expects that the host's ``ClusterHost`` record does not exist.
* It also expects the ``KnownHost`` record unchanged since the waiting began. A host that returns writes that record,
  so a taker that slept through a return is refused. A takeover leaves it as it is, so those of other networks, which
  may have other times, go on waiting.
* Each removal expects the ``HostTakeover`` record of the decision, and a host that returns removes it.

Of two takers of a network the second one is refused: it expects the ``HostTakeover`` as it was when its waiting began.

The membership of the dead host is removed last. So when a taker is killed half-way, the membership leads another one to
the rest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import structlog

from netlink.values import dataclass
from plugin.cluster.addresses.records import ClusterLease
from plugin.cluster.forget import HostRecord
from plugin.cluster.hosts.records import ClusterHost, HostTakeover, KnownHost
from plugin.cluster.names.records import ClusterName
from plugin.cluster.overlay.records import AddressClaim, Member, Peer
from plugin.store.base import ABSENT, CHUNK, Expect, Put, Remove, SharedStore, StoreConflict, Versioned

log = structlog.get_logger()

KINDS: tuple[type[HostRecord], ...] = (Peer, ClusterName, AddressClaim, ClusterLease, Member)


@dataclass(frozen=True, slots=True)
class Death:
    """A host that was dead when this was read: its record, and the revisions of earlier takeovers, by network."""

    known: Versioned[KnownHost]
    taken: Mapping[str, int]


class Taking:
    """Takes over in the name of the host ``me``; ``token`` makes a new one for each attempt."""

    def __init__(self, store: SharedStore, me: str, token: Callable[[], str]) -> None:
        self._store = store
        self._me = me
        self._token = token

    def death(self, host: str) -> Death | None:
        """Return the state to which takeovers of ``host`` are bound; None for a host that is alive or forgotten."""
        if self._store.get(ClusterHost, host) is not None:
            return None
        known = self._store.get(KnownHost, host)
        taken = {item.record.network: item.revision for item in self._store.list(HostTakeover, f"{host}/")}
        return Death(known, taken) if known else None

    def take(self, death: Death, network: str) -> int:
        """Release the records of a dead host in a network; return their number.

        Raises:
            StoreConflict: the host has been alive since its death was read, or another one takes it over there.
            StoreAway: the store does not answer; the rest is left for a later attempt.
        """
        host = death.known.record
        mine = HostTakeover(host.id, network, self._me, self._token())
        self._store.transact(
            Expect(KnownHost, host.id, death.known.revision),
            Remove(ClusterHost, host.id, ABSENT),
            Put(mine, death.taken.get(network, ABSENT)),
        )
        released = self._release(mine)
        log.warning("dead host taken over", host=host.name, network=network, records=released)
        return released

    def _release(self, mine: HostTakeover) -> int:
        released = 0
        for kind in KINDS:
            doomed = list(self._held(kind, mine.host, mine.network))
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

    def _still(self, mine: HostTakeover) -> Expect:
        """Return the condition that binds a transaction to this takeover; raises ``StoreConflict`` if it has ended."""
        found = self._store.get(HostTakeover, mine.key)
        if found is None or found.record != mine:
            raise StoreConflict(f"take over host '{mine.host}': it came back, or another host takes it over")
        return Expect(HostTakeover, mine.key, found.revision)
