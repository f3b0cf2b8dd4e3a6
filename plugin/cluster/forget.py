"""Removes the records of a dead host, so that its addresses are free for others."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from plugin.cluster.addresses.records import ClusterLease, PoolUse
from plugin.cluster.hosts.membership import HostState, host_states
from plugin.cluster.hosts.records import ClusterHost, HostTakeover, KnownHost
from plugin.cluster.names.records import ClusterName
from plugin.cluster.overlay.records import AddressClaim, Member, Peer
from plugin.cluster.secrecy.records import HostKeys
from plugin.errors import Conflict, InvalidRequest, NotFound
from plugin.store.base import CHUNK, ClusterStore, Record, Remove, StoreConflict


class HostRecord(Record, Protocol):
    """A record that belongs to a host."""

    @property
    def host(self) -> str:
        """The id of the host."""


# Kinds of records that are removed with a host; KnownHost is last, so that a removal that fails can be repeated.
HOST_KINDS: tuple[type[HostRecord], ...] = (
    *(Peer, ClusterName, AddressClaim, Member),
    *(HostKeys, ClusterLease, PoolUse, HostTakeover, KnownHost),
)


def find_host(states: Iterable[HostState], wanted: str) -> HostState:
    """Return the host whose name is ``wanted`` or whose id begins with it.

    Raises:
        NotFound: there is none; the text names the hosts that are known.
        InvalidRequest: there are several.
    """
    states = list(states)
    found = [state for state in states if state.name == wanted or (wanted and state.id.startswith(wanted))]
    if not found:
        names = ", ".join(f"{state.name} ({state.id})" for state in states) or "none"
        raise NotFound(f"forget host '{wanted}': it is not known; hosts are: {names}")
    if len(found) > 1:
        raise InvalidRequest(f"forget host '{wanted}': several have that name: {', '.join(s.id for s in found)}")
    return found[0]


def forget_host(store: ClusterStore, wanted: str, kinds: Sequence[type[HostRecord]] = HOST_KINDS) -> dict[str, int]:
    """Remove all records of a dead host; return the number of records of each kind.

    Raises:
        Conflict: the host is alive.
    """
    state = find_host(host_states(store), wanted)
    if state.alive:
        age = "" if state.age is None else f", it renewed its lease {state.age:.0f} s ago"
        raise Conflict(f"forget host '{state.name}': it is alive{age}; stop pynet there and wait for the lease to end")

    def stop_if_alive() -> None:
        if store.get(ClusterHost, state.id) is not None:
            raise Conflict(f"forget host '{state.name}': it came back meanwhile")

    return {kind.kind: _remove_all(store, kind, state.id, stop_if_alive) for kind in kinds}


def _remove_all(store: ClusterStore, kind: type[HostRecord], host: str, check: Callable[[], None]) -> int:
    doomed = [item for item in store.list(kind) if item.record.host == host]
    for start in range(0, len(doomed), CHUNK):
        check()
        part = doomed[start : start + CHUNK]
        try:
            store.transact(*(Remove(kind, item.record.key, item.revision) for item in part))
        except StoreConflict:  # the host came back, or somebody else forgets it too: one by one
            for item in part:
                with suppress(StoreConflict):
                    store.transact(Remove(kind, item.record.key, item.revision))
    return len(doomed)
