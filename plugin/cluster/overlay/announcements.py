"""Announces endpoints to the other hosts, so that of two hosts with the same address the first one gets it.

Two hosts that announce at the same time do not see each other's records yet, and these have different keys. So each
address is claimed in the transaction that writes the record, and the cluster store accepts one claim. A claim counts
only while its endpoint exists with that address: one that is left over excludes nobody.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from plugin.cluster.overlay.agreement import ATTEMPTS
from plugin.cluster.overlay.records import AddressClaim, Peer
from plugin.cluster.removals import Removals
from plugin.errors import Busy, Conflict
from plugin.store.base import ABSENT, Put, Remove, SharedStore, StoreConflict, Unreadable


class AddressTaken(Conflict):
    """An address of an endpoint belongs to an endpoint of another host, ``host``, which is alive."""

    def __init__(self, peer: Peer, other: Peer) -> None:
        addresses = ", ".join(str(address) for address in peer.addresses if address in other.addresses)
        super().__init__(
            f"address {addresses} of network '{peer.network}' belongs to endpoint '{other.endpoint[:12]}' on host "
            f"'{other.host}'; stop that container, or if the host is gone for good: pynet cluster forget {other.host}"
        )
        self.host = other.host


class Announcements:
    """Writes the records of this host's endpoints with their claims, and removes them.

    ``alive`` returns whether the host with an id renews its lease.
    """

    def __init__(self, store: SharedStore, removals: Removals, alive: Callable[[str], bool]) -> None:
        self._store = store
        self._removals = removals
        self._alive = alive

    def announce(self, peer: Peer, rivals: Iterable[str]) -> None:
        """Write ``peer``; ``rivals`` are keys of endpoints of other hosts that had one of its addresses a moment ago.

        Raises:
            AddressTaken: another host that is alive has the address; a dead host loses it.
            PynetError: the cluster store is away.
        """
        claims = _claims(peer)
        self._removals.keep(peer, *claims)
        keys = set(rivals)
        expect: dict[str, int | None] = {claim.key: ABSENT for claim in claims}
        for _ in range(ATTEMPTS):
            dead = self._dead_rivals(peer, keys)
            try:
                self._store.transact(Put(peer), *(Put(claim, expect[claim.key]) for claim in claims), *dead)
            except StoreConflict:
                keys |= self._read_claims(claims, expect)
            else:
                return
        raise Busy(f"announce endpoint '{peer.endpoint[:12]}': other hosts keep claiming its addresses")

    def withdraw(self, peer: Peer) -> None:
        """Remove it and its claims, now or when the store is back."""
        self._removals.take_back(peer, *_claims(peer))

    def _dead_rivals(self, peer: Peer, keys: Collection[str]) -> Sequence[Remove]:
        """Return the removals of endpoints of dead hosts that have an address of ``peer``."""
        dead = []
        for key in sorted(set(keys) - {peer.key}):
            there = self._store.get(Peer, key)
            if there is None or there.record.host == peer.host:
                continue
            if set(peer.addresses).isdisjoint(there.record.addresses):
                continue
            if self._alive(there.record.host):
                raise AddressTaken(peer, there.record)
            dead.append(Remove(Peer, key, there.revision))
        return dead

    def _read_claims(self, claims: Iterable[AddressClaim], expect: dict[str, int | None]) -> set[str]:
        """Return the keys of the endpoints that have claimed the addresses, and note the revisions of their claims."""
        keys = set()
        for claim in claims:
            try:
                found = self._store.get(AddressClaim, claim.key)
            except Unreadable:
                expect[claim.key] = None  # it names no endpoint
                continue
            expect[claim.key] = found.revision if found else ABSENT
            if found:
                keys.add(f"{claim.network}/{found.record.endpoint}")
        return keys


def _claims(peer: Peer) -> Sequence[AddressClaim]:
    return [AddressClaim(peer.network, address, peer.endpoint, peer.host) for address in peer.addresses]
