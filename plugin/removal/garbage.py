"""Removes networks, endpoints, pools and addresses that the engine has forgotten, found by asking it.

An engine that starts after kill -9 or a loss of power drops the records of endpoints whose containers are gone. It does
not tell a driver that is a v1 plugin, because it has not loaded that yet (moby daemon/libnetwork/endpoint.go,
cleanupLocalEndpoints). Nor does the engine repeat a removal that failed.

A thing is removed, as if the engine had asked for it, when the engine did not know it in any look during a grace time.
The time begins anew when the engine does not answer or has been started again, because an engine that just started may
not have restored its containers. An engine that never knew a network of this pynet is not believed: it may be another
one, or a new one with an empty folder.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import ClassVar, Protocol

import structlog

from netlink.deadline import deadline
from netlink.values import dataclass
from plugin.background.loop import Loop, Steady, alive, every
from plugin.cluster.addresses.records import ClusterLease, PoolUse, Reserved
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.protocol.messages import EndpointRef, NetworkRef, Subnet
from plugin.removal.removal import Removal
from plugin.store.base import Put, Store, Versioned

log = structlog.get_logger()

PATIENCE = 20.0  # seconds for one removal
LONGEST_PAUSE = 30.0  # seconds between two looks

Call = Callable[[float], bool]  # removes a thing unless the engine named it after that moment; returns whether it did


@dataclass(frozen=True, slots=True)
class EngineView:
    """The things that the engine knew at a moment.

    ``run`` changes when the engine may have been started anew; ``engine`` is its id. ``endpoints`` are those of
    containers that run or start. ``pools`` are the subnets of networks whose addresses the engine does not manage
    itself. ``addresses`` are those of all endpoints in the pools ``counted``; the pools of networks that swarm spreads
    over hosts are not counted.
    """

    run: int
    engine: str
    networks: frozenset[str]
    endpoints: frozenset[str]
    pools: frozenset[str]
    counted: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class KnownEngine:
    """The engine that was seen with a network of this pynet."""

    kind: ClassVar[str] = "engine"

    id: str

    @property
    def key(self) -> str:
        return "engine"


class AskedEngine(Protocol):
    """The engine's API (``cli.engine.api.Engine``)."""

    def view(self, networks: Collection[str]) -> EngineView | None:
        """Return the things that the engine knows, with the endpoints of ``networks``; None if it does not answer."""


class AddressManager(Protocol):
    """Gives pools and addresses back (``plugin.ipam_router.IpamRouter``)."""

    def forget(self, record: Reserved, revision: int) -> bool:
        """Give back ``record``, if it is still stored at ``revision``; return whether it was."""


_WORDS: dict[type[Reserved], str] = {Pool: "pool", PoolUse: "pool", Lease: "address", ClusterLease: "address"}


@dataclass(frozen=True, slots=True)
class _Stored:
    """The records of pynet before the engine was asked, so that none is newer than the engine's view."""

    networks: frozenset[str]
    endpoints: Sequence[Endpoint]
    reserved: Sequence[Versioned[Reserved]]

    def unknown_to(self, view: EngineView) -> Iterator[Versioned[Reserved]]:
        """Yield the pools that no network of the engine has, and addresses of other pools that no endpoint has."""
        records = [item.record for item in self.reserved]
        subnets = {pool.id: pool.subnet for pool in records if isinstance(pool, Pool)}
        subnets |= {use.pool_id: use.subnet for use in records if isinstance(use, PoolUse)}
        used, counted = (
            {pool for pool, subnet in subnets.items() if not names.isdisjoint((str(subnet), _any_of_its_size(subnet)))}
            for names in (view.pools, view.counted)
        )
        for item in self.reserved:
            record = item.record
            if isinstance(record, Pool | PoolUse):
                unknown = (record.id if isinstance(record, Pool) else record.pool_id) not in used
            else:
                unknown = record.pool_id in counted and str(record.address) not in view.addresses
                unknown &= _is_endpoints(record)
            if unknown:
                yield item


class GarbageCollector:
    """Collects every now and then; ``grace`` is in seconds. ``collected`` counts the things removed, by kind."""

    def __init__(self, engine: AskedEngine, removal: Removal, ipam: AddressManager, store: Store, grace: float) -> None:
        self._engine = engine
        self._removal = removal
        self._ipam = ipam
        self._store = store
        self._grace = grace
        self._run = 0
        self._missing: dict[str, float] = {}  # since when the engine does not know a thing, by the monotonic clock
        self._warned = False
        self._steady = Steady()
        self._silent = False  # whether the engine did not answer the last time
        self.collected: Counter[str] = Counter()

    def start(self) -> Loop[float]:
        """Collect in a thread, and return the thread."""
        return Loop("collector", every(min(self._grace / 2, LONGEST_PAUSE)), self.collect).start()

    def collect(self, now: float) -> None:
        """Ask the engine once, and remove the things that it has not known for the grace time.

        ``now`` is the time of the monotonic clock before that.
        """
        stored = self._read()
        view = self._engine.view(stored.networks)
        if view is None or view.run != self._run:
            self._missing.clear()
            self._run = view.run if view else 0
        self._warn_of_silence(view)
        if view is None or not self._is_ours(view, stored.networks):
            return
        unknown = self._unknown_to(view, stored)
        self._missing = {name: self._missing.get(name, now) for name in unknown}
        for name, call in unknown.items():
            if now - self._missing[name] >= self._grace:
                remove = partial(self._remove, name, call, self._missing[name])
                self._steady.attempt(f"removal of {name}, which the engine does not know,", remove)

    def _warn_of_silence(self, view: EngineView | None) -> None:
        if view is None and not self._silent:
            log.warning("engine does not answer, so nothing is collected meanwhile")
        self._silent = view is None

    def _read(self) -> _Stored:
        reserved: list[Versioned[Reserved]] = []
        for kind in _WORDS:
            reserved += self._store.list(kind)
        return _Stored(
            frozenset(item.record.id for item in self._store.list(Network)),
            [item.record for item in self._store.list(Endpoint)],
            reserved,
        )

    def _is_ours(self, view: EngineView, networks: Collection[str]) -> bool:
        known = self._store.get(KnownEngine, "engine")
        if known is not None and known.record.id == view.engine:
            return True
        if not view.networks.isdisjoint(networks):
            self._store.transact(Put(KnownEngine(view.engine)))
            return True
        if networks and not self._warned:
            log.warning("engine knows none of the networks, so nothing is collected", engine=view.engine)
            self._warned = True
        return False

    def _unknown_to(self, view: EngineView, stored: _Stored) -> dict[str, Call]:
        """Return the things that the engine does not know, by name, each with the call that removes it.

        A network takes its endpoints along. The name of a pool or an address has its revision in it, because one that
        is requested again is a new one.
        """
        removal, found = self._removal, dict[str, Call]()
        for network in stored.networks - view.networks:
            found[f"network {network}"] = partial(removal.forgotten_network, NetworkRef(network))
        for end in stored.endpoints:
            if end.network_id in view.networks and end.id not in view.endpoints:
                found[f"endpoint {end.id}"] = partial(removal.forgotten_endpoint, EndpointRef(end.network_id, end.id))
        for item in stored.unknown_to(view):
            found[f"{_WORDS[type(item.record)]} {item.record.key} {item.revision}"] = self._give_back(item)
        return found

    def _give_back(self, item: Versioned[Reserved]) -> Call:
        return lambda _: self._ipam.forget(item.record, item.revision)

    def _remove(self, name: str, call: Call, since: float) -> None:
        alive()
        with deadline(PATIENCE):
            done = call(since)
        del self._missing[name]  # the grace time of a thing that the engine named meanwhile begins anew
        if done:
            kind, _, identity = name.partition(" ")
            self.collected[kind] += 1
            log.info(f"{kind} unknown to the engine removed", what=identity, count=self.collected[kind])


def _is_endpoints(lease: Lease | ClusterLease) -> bool:
    """Return whether an endpoint has the address, and not a gateway, a machine outside or a name that keeps it."""
    return lease.purpose == "endpoint" and not (isinstance(lease, Lease) and lease.kept_until)


def _any_of_its_size(subnet: Subnet) -> str:
    """Return the text by which a user asks for any pool of that size (29.0 and later); the engine shows it then."""
    return f"{'0.0.0.0' if subnet.version == 4 else '::'}/{subnet.prefixlen}"  # noqa: S104 - no address to bind
