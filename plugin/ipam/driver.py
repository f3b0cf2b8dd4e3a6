"""The address manager: pools and leases in the store, chosen by the pure code of ``plugin.ipam``.

Every change is one transaction that fails when somebody else was first, so that hosts which share a store cannot hand
out the same address twice. See ``docs/addresses.md``.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from netlink.errors import KernelError
from plugin.errors import Busy, Conflict, Exhausted, Failed, NotFound, PynetError
from plugin.interfaces import HostNetworks
from plugin.ipam.allocator import check_usable
from plugin.ipam.generation import PoolGeneration
from plugin.ipam.leases import LeaseTable
from plugin.ipam.requests import (
    ENDPOINT_NAME,
    GLOBAL_SPACE,
    LOCAL_SPACE,
    bounds_inside,
    check_request,
    names_subnet,
    purpose_of,
    with_prefix,
)
from plugin.ipam.sticky import Sticky
from plugin.ipam.supernets import Supernet, Wanted, choose_pool, networks_of
from plugin.model.records import Lease, Pool
from plugin.options.pool import PoolSettings, keep_seconds
from plugin.protocol.messages import (
    Address,
    AddressReply,
    AddressSpaces,
    IpamCapabilities,
    PoolReply,
    ReleaseAddress,
    ReleasePool,
    RequestAddress,
    RequestPool,
    Subnet,
)
from plugin.request.execution import commit
from plugin.request.locks import Locks
from plugin.request.retries import RetryQueue
from plugin.request.undo import Undo
from plugin.store.base import ABSENT, Change, Put, Remove, Store, StoreConflict, Versioned

ATTEMPTS = 16  # each failed one means that another host was faster


@dataclass(frozen=True, slots=True)
class _Book:
    """The pools of an IP version as of ``turn``, which stands in the store at ``revision``."""

    turn: PoolGeneration
    revision: int
    pools: Mapping[str, Pool]


class Ipam:
    """Implements ``plugin.protocol.api.IpamDriver``. Every method may raise ``Failed`` or ``Busy`` of the store.

    ``supernets`` is where pools without a given subnet come from, see ``plugin.ipam.supernets.parse_supernets``.
    """

    def __init__(
        self,
        store: Store,
        host: HostNetworks,
        supernets: Sequence[Supernet],
        debts: RetryQueue | None = None,
        sticky: Sticky | None = None,
    ) -> None:
        self._store = store
        self._debts = debts or RetryQueue()
        self._sticky = sticky or Sticky(store)
        self._host = host
        self._supernets = supernets
        self._locks = Locks()  # one for the pools of each IP version
        self._books: dict[int, _Book] = {}  # by IP version, guarded by its lock
        self._tables_guard = threading.Lock()  # guards _tables
        self._tables: dict[str, LeaseTable] = {}

    def get_capabilities(self) -> IpamCapabilities:
        """Need neither MAC addresses nor a replay at start: the store remembers."""
        return IpamCapabilities()

    def get_default_address_spaces(self) -> AddressSpaces:
        """Name the two address spaces."""
        return AddressSpaces(local=LOCAL_SPACE, global_=GLOBAL_SPACE)

    # --- pools ---------------------------------------------------------------------------------

    def request_pool(self, request: RequestPool) -> PoolReply:
        """Reserve a pool; without a subnet, or with one of address zero, always one that nobody has.

        Raises:
            InvalidRequest: the space, the sub pool or an option is not acceptable.
            Conflict: the subnet overlaps another pool of pynet.
            Exhausted: the supernets hold no free pool.
        """
        space = check_request(request)
        keep = keep_seconds(PoolSettings.read(request.options))
        if request.pool is not None and names_subnet(request):
            wish = Pool(_pool_id(space, request.pool, request.sub_pool), request.pool, request.sub_pool, keep)
            pool = self._add_pool(request.pool.version, lambda book: _check_overlap(book, wish))
        else:
            pool = self._request_any(space, request, keep)
        with Undo() as undo:
            undo.push(self.release_pool, ReleasePool(pool.id))
            commit()
        return PoolReply(pool_id=pool.id, pool=pool.subnet)

    def release_pool(self, request: ReleasePool) -> None:
        """Give a pool back, with all its leases; one that is not known is given back already."""
        stored = self._store.get(Pool, request.pool_id)
        if stored is None:
            return
        try:
            self._release_pool(request.pool_id)
        except PynetError:
            # The engine never asks again; the revision tells this pool from one that is requested meanwhile.
            self._debts.owe(f"pool {request.pool_id}", lambda: self._release_pool(request.pool_id, stored.revision))
            raise

    def forget(self, record: Pool | Lease, revision: int) -> bool:
        """Release a pool or an address that stands at ``revision``; say whether there was one."""
        stored = self._store.get(type(record), record.key)
        if stored is None or stored.revision != revision:
            return False
        if isinstance(record, Pool):
            self._release_pool(record.id, revision)
        else:
            self._release_address(record.pool_id, record.address, revision)
        return True

    def _release_pool(self, pool_id: str, revision: int | None = None) -> None:
        stored = self._store.get(Pool, pool_id)
        if stored is None:
            return
        version = stored.record.subnet.version
        with self._locks.hold(_lock_name(version)):
            for _ in range(ATTEMPTS):
                book = self._read_book(version)
                stored = self._store.get(Pool, pool_id)
                if pool_id not in book.pools or stored is None or revision not in (None, stored.revision):
                    break
                pools = {key: pool for key, pool in book.pools.items() if key != pool_id}
                gone = [Remove(Pool, pool_id), *self._forget_leases(pool_id)]
                if self._turn_page(book, book.turn.last, pools, gone):
                    self._sweep_up(pool_id)
                    break
            else:
                raise Busy(f"release pool '{pool_id}': other hosts keep changing the pools")
        self._forget_table(pool_id)

    def _sweep_up(self, pool_id: str) -> None:
        """Remove what was leased since the leases were listed; who leases later sees that the pool is gone."""
        late = self._forget_leases(pool_id)
        if late:
            self._store.transact(*late)

    def _request_any(self, space: str, request: RequestPool, keep: int) -> Pool:
        if request.pool is None:
            wanted = Wanted(6 if request.v6 else 4)
        else:
            wanted = Wanted(request.pool.version, request.pool.prefixlen)
        try:
            # Before the lock, and no more than can matter: the kernel may have much to tell.
            reserved = self._host.in_use(networks_of(self._supernets, wanted.version))
        except KernelError as error:
            raise Failed(f"look for a free pool: {error}") from error

        def choose(book: _Book) -> Pool:
            taken = [pool.subnet for pool in book.pools.values()]
            subnet = choose_pool(self._supernets, wanted, taken, reserved, book.turn.last)
            return Pool(_pool_id(space, subnet, None), subnet, keep=keep)

        return self._add_pool(wanted.version, choose, chosen=True)

    def _add_pool(self, version: int, decide: Callable[[_Book], Pool], *, chosen: bool = False) -> Pool:
        with self._locks.hold(_lock_name(version)):
            for _ in range(ATTEMPTS):
                book = self._read_book(version)
                pool = decide(book)
                # A lease that was requested while its pool was released is left over; it must not be inherited.
                changes = [*self._forget_leases(pool.id), Put(pool, ABSENT)]
                last = pool.subnet if chosen else book.turn.last
                if self._turn_page(book, last, {**book.pools, pool.id: pool}, changes):
                    self._forget_table(pool.id)
                    return pool
        raise Busy("reserve a pool: other hosts keep changing the pools")

    def _read_book(self, version: int) -> _Book:
        found = self._store.get(PoolGeneration, PoolGeneration(version).key)
        turn, revision = (PoolGeneration(version), ABSENT) if found is None else (found.record, found.revision)
        known = self._books.get(version)
        if known is not None and known.turn.number == turn.number:
            return _Book(turn, revision, known.pools)
        pools = [stored.record for stored in self._store.list(Pool)]
        return _Book(turn, revision, {pool.id: pool for pool in pools if pool.subnet.version == version})

    def _turn_page(
        self, book: _Book, last: Subnet | None, pools: Mapping[str, Pool], changes: Sequence[Change]
    ) -> bool:
        """Write ``changes`` unless another host changed the pools since ``book`` was read."""
        version = book.turn.version
        turn = PoolGeneration(version, book.turn.number + 1, last)
        self._books.pop(version, None)
        try:
            self._store.transact(Put(turn, book.revision), *changes)
        except StoreConflict:
            return False
        self._books[version] = _Book(turn, ABSENT, pools)
        return True

    def _forget_leases(self, pool_id: str) -> Sequence[Change]:
        leases = [Remove(Lease, stored.record.key) for stored in self._leases(pool_id)]
        return [*leases, *self._sticky.forget(pool_id)]

    # --- addresses -----------------------------------------------------------------------------

    def request_address(self, request: RequestAddress) -> AddressReply:
        """Reserve an address; durable when it returns.

        Raises:
            NotFound: nobody requested the pool.
            InvalidRequest: the address is not in the pool or has a meaning of its own there.
            Conflict: the address is taken.
            Exhausted: every address of the pool is taken.
        """
        pool = self._find_pool(request.pool_id)
        purpose = purpose_of(request.options)
        name = request.options.get(ENDPOINT_NAME, "")
        if request.address is None:
            address = self._sticky.take_back(pool, name) or self._lease_any(pool, purpose, name)
        else:
            check_usable(pool.subnet, request.address)
            address = self._lease_one(Lease(pool.id, request.address, purpose, name), pool)
        with Undo() as undo:
            undo.push(self.release_address, ReleaseAddress(pool.id, address))
            self._find_pool(pool.id)  # it may have been released since, when its leases had been listed already
            commit()
        return AddressReply(with_prefix(address, pool.subnet))

    def _find_pool(self, pool_id: str) -> Pool:
        stored = self._store.get(Pool, pool_id)
        if stored is None:
            raise NotFound(f"request an address: pool '{pool_id}' is not known")
        return stored.record

    def release_address(self, request: ReleaseAddress) -> None:
        """Give an address back; one that nobody holds is given back already."""
        if request.address is None:
            return
        pool_id, address = request.pool_id, request.address
        try:
            self._release_address(pool_id, address)
        except PynetError:
            # The engine never asks again; the revision tells this lease from one that somebody else gets meanwhile.
            held = self._store.get(Lease, _lease_key(pool_id, address))
            if held is not None:
                owed = held.revision
                self._debts.owe(f"lease {held.record.key}", lambda: self._release_address(pool_id, address, owed))
            raise

    def _release_address(self, pool_id: str, address: Address, revision: int | None = None) -> None:
        """Give an address back, unless it is not at ``revision`` any more: it may be somebody else's by now."""
        for _ in range(ATTEMPTS):
            lease = self._store.get(Lease, _lease_key(pool_id, address))
            if lease is None:
                break
            if revision not in (None, lease.revision):
                return
            change = self._sticky.give_back(lease)
            try:
                self._store.transact(change)
            except StoreConflict:
                continue
            if isinstance(change, Put):
                self._sticky.kept(pool_id)
                return
            break
        else:
            raise Busy(f"release address '{address}': it keeps being taken and given back")
        with self._tables_guard:
            table = self._tables.get(pool_id)
        if table is not None:
            table.free(address)

    def _lease_any(self, pool: Pool, purpose: str, name: str) -> Address:
        table = self._table(pool)
        for free in self._sticky.expire(pool):
            table.free(free)
        for _ in range(ATTEMPTS):
            address = self._take(pool, table, first=purpose == "gateway")
            lease = Put(Lease(pool.id, address, purpose, name), ABSENT)
            try:
                self._store.transact(lease, *self._sticky.note(pool, name, address))
            except StoreConflict:
                table.drop(address)
            except PynetError:
                table.drop(address)
                raise
            else:
                table.settle(address)
                return address
        raise Busy(f"request an address of pool '{pool.subnet}': other hosts keep taking the one that was chosen")

    def _take(self, pool: Pool, table: LeaseTable, *, first: bool) -> Address:
        """Take an address that nobody has, or else the one that has waited longest for its owner."""
        while True:
            try:
                return table.take(first=first)
            except Exhausted:
                waiting = self._sticky.evict(pool)
                if waiting is None:
                    raise
                table.free(waiting)

    def _lease_one(self, lease: Lease, pool: Pool) -> Address:
        """Lease the address that the user named; one that only waits for its owner is free for that."""
        expect = ABSENT
        for _ in range(ATTEMPTS):
            try:
                self._store.transact(Put(lease, expect), *self._sticky.note(pool, lease.name, lease.address))
            except StoreConflict:
                holder = self._store.get(Lease, lease.key)
                if holder is not None and not holder.record.kept_until:
                    raise Conflict(_describe_taken(holder.record, pool)) from None
                expect = ABSENT if holder is None else holder.revision
            else:
                self._table(pool).settle(lease.address)
                return lease.address
        raise Busy(f"request address '{lease.address}': it keeps being taken and given back")

    def _table(self, pool: Pool) -> LeaseTable:
        with self._tables_guard:
            return self._tables.setdefault(pool.id, LeaseTable(pool, lambda: self._leases(pool.id)))

    def _forget_table(self, pool_id: str) -> None:
        with self._tables_guard:
            self._tables.pop(pool_id, None)

    def _leases(self, pool_id: str) -> Sequence[Versioned[Lease]]:
        return self._store.list(Lease, f"{pool_id}#")


def _check_overlap(book: _Book, wish: Pool) -> Pool:
    for pool in book.pools.values():
        if pool.subnet == wish.subnet:
            raise Conflict(f"subnet '{wish.subnet}' is already in use by another network, as pool '{pool.id}'")
        if bounds_inside(pool.subnet, wish.subnet) or bounds_inside(wish.subnet, pool.subnet):
            raise Conflict(f"subnet '{wish.subnet}' overlaps '{pool.subnet}' of another network, pool '{pool.id}'")
    return wish


def _describe_taken(lease: Lease, pool: Pool) -> str:
    by = " by the gateway" if lease.purpose == "gateway" else f" by '{lease.name}'" if lease.name else ""
    return f"address '{lease.address}' is already in use in pool '{pool.subnet}'{by}"


def _pool_id(space: str, subnet: Subnet, sub_pool: Subnet | None) -> str:
    return f"{space}/{subnet}" if sub_pool is None else f"{space}/{subnet}/{sub_pool}"


def _lease_key(pool_id: str, address: Address) -> str:
    return Lease(pool_id, address).key


def _lock_name(version: int) -> str:
    return f"the list of IPv{version} pools"
