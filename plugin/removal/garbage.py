"""What the engine forgot without saying so, found by asking it in the background.

After kill -9 or a loss of power, an engine that starts drops the records of endpoints whose containers are gone. Of a
driver that is a v1 plugin it tells nothing, as it has not loaded it yet (moby daemon/libnetwork/endpoint.go,
cleanupLocalEndpoints). And removals that failed are not repeated by the engine.

What is unknown to the engine in every look for a grace time is removed as if the engine had asked for it. No answer, or
another run of the engine, begins the count anew: one that just started may not have restored its containers. An engine
that never knew a network of this pynet is not believed: it may be another one, or a new one with an empty folder.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol

import structlog

from netlink.deadline import deadline
from plugin.background.loop import Loop, alive, every
from plugin.background.steady import Steady
from plugin.cluster.addresses.records import ClusterLease, PoolUse, Reserved
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.protocol.messages import EndpointRef, NetworkRef, Subnet
from plugin.removal.removal import Removal
from plugin.store.base import Put, Store, Versioned

log = structlog.get_logger()

PATIENCE = 20.0  # seconds for one removal
LONGEST_PAUSE = 30.0  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Look:
    """What the engine knew at a moment.

    ``run`` is another number when the engine may have been started anew, ``engine`` its id. ``endpoints`` are those of
    running containers and of those that start; ``pools`` the subnets of networks with an address manager from outside.
    ``addresses`` are those of all endpoints in the pools ``counted``: not of networks that swarm spreads over hosts.
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
        """There is one."""
        return "engine"


def _held_by_an_endpoint(lease: Lease | ClusterLease) -> bool:
    """Say whether it is not a gateway's, nor a user's for a machine outside, nor one that waits for its owner."""
    return lease.purpose == "endpoint" and not (isinstance(lease, Lease) and lease.kept_until)


def _any_of_its_size(subnet: Subnet) -> str:
    """Return what a user typed who asked for any pool of that size (29.0 and later), and what the engine shows then."""
    return f"{'0.0.0.0' if subnet.version == 4 else '::'}/{subnet.prefixlen}"  # noqa: S104 - no address to bind


class Engine(Protocol):
    """The engine's API (``cli.engine.api.Engine``)."""

    def look(self, networks: Collection[str]) -> Look | None:
        """Return what the engine knows, with the endpoints of ``networks``; None when it does not answer."""


class Ipam(Protocol):
    """What gives pools and addresses back (``plugin.ipam_router.IpamRouter``)."""

    def forget(self, record: Reserved, revision: int) -> bool:
        """Give back what stands at ``revision``; say whether there was something."""


Call = Callable[[float], bool]
_WORDS: dict[type[Reserved], str] = {Pool: "pool", PoolUse: "pool", Lease: "address", ClusterLease: "address"}


@dataclass(frozen=True, slots=True)
class _Here:
    """What pynet knew before a look."""

    networks: frozenset[str]
    endpoints: Sequence[Endpoint]
    reserved: Sequence[Versioned[Reserved]]

    def unknown_to(self, seen: Look) -> Iterator[Versioned[Reserved]]:
        """Yield the pools that no network of the engine has, and of the others the addresses that no endpoint has."""
        records = [item.record for item in self.reserved]
        subnets = {pool.id: pool.subnet for pool in records if isinstance(pool, Pool)}
        subnets |= {use.pool_id: use.subnet for use in records if isinstance(use, PoolUse)}
        used, counted = (
            {pool for pool, subnet in subnets.items() if not names.isdisjoint((str(subnet), _any_of_its_size(subnet)))}
            for names in (seen.pools, seen.counted)
        )
        for item in self.reserved:
            record = item.record
            if isinstance(record, Pool | PoolUse):
                unknown = (record.id if isinstance(record, Pool) else record.pool_id) not in used
            else:
                unknown = record.pool_id in counted and str(record.address) not in seen.addresses
                unknown &= _held_by_an_endpoint(record)
            if unknown:
                yield item


class Collector:
    """Looks every now and then; ``grace`` is in seconds. ``collected`` counts what was removed, by kind."""

    def __init__(self, engine: Engine, removal: Removal, ipam: Ipam, store: Store, grace: float) -> None:
        self._engine = engine
        self._removal = removal
        self._ipam = ipam
        self._store = store
        self._grace = grace
        self._run = 0
        self._missing: dict[str, float] = {}  # since when, by the monotonic clock
        self._warned = False
        self._steady = Steady()
        self._silent = False  # whether the engine did not answer the last time
        self.collected: Counter[str] = Counter()

    def start(self) -> Loop[float]:
        """Look now and then, in a thread."""
        return Loop("collector", every(min(self._grace / 2, LONGEST_PAUSE)), self.look).start()

    def look(self, now: float) -> None:
        """Look once; ``now`` is the monotonic clock before it."""
        here = self._read()
        seen = self._engine.look(here.networks)
        if seen is None or seen.run != self._run:
            self._missing.clear()
            self._run = seen.run if seen else 0
        self._say_once(seen)
        if seen is None or not self._is_ours(seen, here.networks):
            return
        missing = self._unknown_to(seen, here)
        self._missing = {name: self._missing.get(name, now) for name in missing}
        for name, removal in missing.items():
            if now - self._missing[name] >= self._grace:
                collect = partial(self._collect, name, removal, self._missing[name])
                self._steady.attempt(f"removal of {name}, which the engine does not know,", collect)

    def _say_once(self, seen: Look | None) -> None:
        if seen is None and not self._silent:
            log.warning("engine does not answer, so nothing is collected meanwhile")
        self._silent = seen is None

    def _read(self) -> "_Here":
        """Read before the look, so that nothing newer than the look is compared with it."""
        reserved: list[Versioned[Reserved]] = []
        for kind in _WORDS:
            reserved += self._store.list(kind)
        return _Here(
            frozenset(item.record.id for item in self._store.list(Network)),
            [item.record for item in self._store.list(Endpoint)],
            reserved,
        )

    def _is_ours(self, seen: Look, networks: Collection[str]) -> bool:
        known = self._store.get(KnownEngine, "engine")
        if known is not None and known.record.id == seen.engine:
            return True
        if not seen.networks.isdisjoint(networks):
            self._store.transact(Put(KnownEngine(seen.engine)))
            return True
        if networks and not self._warned:
            log.warning("engine knows none of the networks, so nothing is collected", engine=seen.engine)
            self._warned = True
        return False

    def _unknown_to(self, seen: Look, here: "_Here") -> dict[str, Call]:
        """Return what the engine does not know, by name, and how to remove it.

        A network takes its endpoints along. Pools and addresses have their revision in the name: one that is requested
        again is another.
        """
        found: dict[str, Call] = {}
        for network in here.networks - seen.networks:
            found[f"network {network}"] = self._network(network)
        for endpoint in here.endpoints:
            if endpoint.network_id in seen.networks and endpoint.id not in seen.endpoints:
                found[f"endpoint {endpoint.id}"] = self._endpoint(EndpointRef(endpoint.network_id, endpoint.id))
        for item in here.unknown_to(seen):
            found[f"{_WORDS[type(item.record)]} {item.record.key} {item.revision}"] = self._reserved(item)
        return found

    def _network(self, identity: str) -> Call:
        return lambda since: self._removal.forgotten_network(NetworkRef(identity), since)

    def _endpoint(self, reference: EndpointRef) -> Call:
        return lambda since: self._removal.forgotten_endpoint(reference, since)

    def _reserved(self, item: Versioned[Reserved]) -> Call:
        return lambda _: self._ipam.forget(item.record, item.revision)

    def _collect(self, name: str, call: Call, since: float) -> None:
        alive()
        with deadline(PATIENCE):
            done = call(since)
        del self._missing[name]  # one that was named meanwhile is counted anew
        if done:
            kind, _, identity = name.partition(" ")
            self.collected[kind] += 1
            log.info(f"{kind} unknown to the engine removed", what=identity, count=self.collected[kind])
