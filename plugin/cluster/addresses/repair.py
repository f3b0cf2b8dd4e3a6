"""Makes a host's own store and the cluster store agree about its leases, at start and after either was away."""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.pools import PoolRequest, SharedPools, network_of
from plugin.cluster.addresses.records import ClusterLease, PendingWrite, PoolGateway, PoolUse
from plugin.errors import Conflict, PynetError
from plugin.store.base import (
    ABSENT,
    ClusterStore,
    Put,
    R,
    Remove,
    Store,
    StoreAway,
    StoreConflict,
    Unreadable,
    Versioned,
)

log = structlog.get_logger()

ONE_BY_ONE = 100  # own records that are read one by one; a listing is quicker for more


@dataclass(frozen=True, slots=True)
class Stores:
    """The host's own store, and the one that it shares with others."""

    local: Store
    shared: ClusterStore


class AddressRepair:
    """Compares the leases and the uses of pools of ``host`` in both stores.

    A record that the cluster store lacks is written there again, because a container may use the address; that happens
    to a host that was forgotten while it was cut off. A record that only the cluster store has is written to the host's
    own store, which may have been lost, unless it is left from a request that a crash ended: then it was never given
    out, and is removed.
    """

    def __init__(self, stores: Stores, host: str, outbox: Outbox) -> None:
        self._local = stores.local
        self._shared = stores.shared
        self._host = host
        self._outbox = outbox
        self._pools = SharedPools(stores.shared)
        self._guard = threading.Lock()  # guards _tokens
        self._tokens: set[str] = set()

    @contextmanager
    def attempt(self, token: str, kind: type[PoolUse] | type[ClusterLease]) -> Iterator[None]:
        """Protect a record with ``token`` from the repair while it is written to both stores.

        A request that succeeds removes the ``PendingWrite`` in the transaction that writes the record to the own store.
        It is removed here if the request failed, and stays for the next repair if its outcome is not known.
        """
        with self._guard:
            self._tokens.add(token)
        self._local.transact(Put(PendingWrite(token, kind.kind)))
        try:
            yield
        except StoreAway:
            raise
        except BaseException:
            self._local.transact(Remove(PendingWrite, token))
            raise
        finally:
            with self._guard:
                self._tokens.discard(token)

    def __call__(self, *, clean: bool = True) -> None:
        """Compare both stores and mend the difference; ``clean`` removes pools that no host uses. Raises ``StoreAway``.

        Any host can clean up for all, and lists the leases of all pools for it.
        """
        self._finish_attempts()
        uses = self._shared.list(PoolUse)
        self._claim_uses(uses)
        self._write_locally(PoolUse, uses)
        leases = self._leases()
        self._claim_leases(leases)
        self._write_locally(ClusterLease, leases)
        if clean:
            self._pools.drop_unused()

    def own(self) -> None:
        """Write those of this host's records again that the cluster store has lost. Raises ``StoreAway``.

        Reads only these, one by one: the leases of all hosts are many, and ZooKeeper takes a request for each.
        """
        self._finish_attempts()
        self._claim_uses(self._found(PoolUse, lambda: self._shared.list(PoolUse)))
        self._claim_leases(self._found(ClusterLease, self._leases))

    def _found(self, kind: type[R], list_all: Callable[[], Sequence[Versioned[R]]]) -> Sequence[Versioned[R]]:
        """Return the records of the cluster store under the keys of this host's own, or all if its own are many."""
        mine = [item.record.key for item in self._local.list(kind)]
        if len(mine) > ONE_BY_ONE:
            return list_all()
        return [found for key in mine if (found := self._read(kind, key))]

    def _read(self, kind: type[R], key: str) -> Versioned[R] | None:
        """Return the record of the cluster store, None as well if it cannot be read: listings leave it out too."""
        try:
            return self._shared.get(kind, key)
        except Unreadable:
            return None

    def _finish_attempts(self) -> None:
        with self._guard:  # while listing too: a request removes first its PendingWrite and then its token
            left = [item.record for item in self._local.list(PendingWrite) if item.record.token not in self._tokens]
        kinds: tuple[type[PoolUse] | type[ClusterLease], ...] = (PoolUse, ClusterLease)
        for kind in kinds:
            tokens = {attempt.token for attempt in left if attempt.record_kind == kind.kind}
            records = [item.record for item in self._shared.list(kind)] if tokens else []
            written = [record for record in records if record.host == self._host and record.token in tokens]
            if tokens:
                self._outbox.take_back(*written, also=[Remove(PendingWrite, token) for token in tokens])

    def _claim_uses(self, uses: Sequence[Versioned[PoolUse]]) -> None:
        known = {item.record.key for item in uses}
        for item in self._local.list(PoolUse):
            if item.record.key in known:
                continue
            try:
                self._claim_use(item.record)
            except StoreAway:
                raise
            except PynetError as error:
                log.warning("pool not claimed again", pool=item.record.pool_id, error=str(error))

    def _claim_use(self, use: PoolUse) -> None:
        wish = PoolRequest(network_of(use.pool_id), use.subnet.version, use.subnet)
        try:
            self._pools.use(wish, lambda _: use, lambda _taken, _last: use.subnet)
        except Conflict as error:
            log.error("pool is another one by now", error=str(error))  # noqa: TRY400 - foreseen
            return
        log.warning("pool claimed again", pool=use.pool_id)
        gateway = self._local.get(PoolGateway, use.pool_id)
        if gateway is not None:
            lease = ClusterLease(use.pool_id, gateway.record.address, "", secrets.token_hex(4), "gateway")
            with suppress(StoreConflict):  # another host has chosen one since
                self._shared.transact(Put(gateway.record, ABSENT), Put(lease, ABSENT))
        if not self._is_local(use):
            self._outbox.take_back(use)

    def _claim_leases(self, leases: Sequence[Versioned[ClusterLease]]) -> None:
        known = {item.record.key: item.record for item in leases}
        for item in self._local.list(ClusterLease):
            lease = item.record
            other = known.get(lease.key)
            if other is None:
                self._claim_lease(lease)
            elif other != lease:
                log.error("address is another host's by now", address=str(lease.address), host=other.host)

    def _claim_lease(self, lease: ClusterLease) -> None:
        with suppress(StoreConflict):  # the next comparison sees who has it
            self._shared.transact(Put(lease, ABSENT))
            log.warning("address claimed again", network=network_of(lease.pool_id), address=str(lease.address))
        if not self._is_local(lease):
            self._outbox.take_back(lease)

    def _is_local(self, record: PoolUse | ClusterLease) -> bool:
        """Return whether the own store still has it: it may have been given back while it was written again."""
        found = self._local.get(type(record), record.key)
        return found is not None and found.record == record

    def _is_shared(self, record: PoolUse | ClusterLease) -> bool:
        with suppress(Unreadable):
            found = self._shared.get(type(record), record.key)
            return found is not None and found.record == record
        return False

    def _leases(self) -> Sequence[Versioned[ClusterLease]]:
        """Return the leases of the pools that this host uses: the longest listing of all, so it is made once."""
        prefixes = {f"{item.record.pool_id}#" for item in self._local.list(PoolUse)}
        return [item for prefix in prefixes for item in self._shared.list(ClusterLease, prefix)]

    def _write_locally(self, kind: type[PoolUse] | type[ClusterLease], listed: Sequence[Versioned[Any]]) -> None:
        """Write records that only the cluster store has to the own store.

        Order matters. The cluster store was ``listed`` before, so that records written later are not mistaken for
        stray ones; list our own records last, so that finished requests are already included.
        """
        theirs = [item.record for item in listed if item.record.host == self._host]
        with self._guard:
            passing = self._tokens | {item.record.token for item in self._local.list(PendingWrite)}
        mine = {item.record.key for item in self._local.list(kind)}
        leaving = {queued.record_key for queued in self._outbox.pending}
        for record in theirs:
            if record.key in mine or record.key in leaving or record.token in passing:
                continue
            self._local.transact(Put(record))
            if not self._is_shared(record):  # it was given back meanwhile
                self._local.transact(Remove(kind, record.key))
            else:
                log.warning("record noted again", kind=kind.kind, key=record.key)
