"""pynet removes what the engine forgot, and nothing else."""

from collections.abc import Collection
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from plugin.ipam_router import IpamRouter
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.protocol.messages import ReleasePool
from plugin.removal.garbage import EngineView, GarbageCollector
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.ipam.parts import address, manager, pool

GRACE = 60
POOLS = frozenset({"10.1.0.0/24"})
ALL = EngineView(
    1,
    "engine a",
    frozenset({rq.NETWORK_ID}),
    frozenset({rq.ENDPOINT_ID}),
    POOLS,
    counted=POOLS,
    addresses=frozenset({"10.1.0.2"}),
)


class Engine:
    """An engine that lists the networks that a test gives it; None means no answer."""

    def __init__(self) -> None:
        self.knows: EngineView | None = ALL

    def view(self, networks: Collection[str]) -> EngineView | None:
        """Answer, the endpoints of ``networks`` only."""
        if self.knows is None or rq.NETWORK_ID in networks:
            return self.knows
        return replace(self.knows, endpoints=frozenset())


class Scene:
    """A network with an endpoint that publishes a port, a pool, and the engine that knows them all."""

    def __init__(self) -> None:
        self.world = World()
        self.world.driver.create_network(rq.network())
        self.world.driver.create_endpoint(rq.endpoint())
        self.world.driver.program_external_connectivity(rq.program(8080))
        self.world.removal.touched.clear()  # as after a restart: otherwise "long ago" would have to pass
        self.ipam = manager(self.world.store)
        self.pool = pool(self.ipam, "10.1.0.0/24").pool_id
        address(self.ipam, self.pool, gateway="yes")
        address(self.ipam, self.pool)
        self.engine = Engine()
        self.collector = GarbageCollector(
            self.engine, self.world.removal, IpamRouter(self.ipam, None), self.world.store, GRACE
        )
        self.collector.collect(0)

    def forgets(self, **what: object) -> None:
        """Let the engine know no more of it than ``what``."""
        self.engine.knows = replace(ALL, **what)  # type: ignore[arg-type]

    def addresses(self) -> set[str]:
        """Return the addresses that somebody holds."""
        return {str(item.record.address) for item in self.world.store.list(Lease)}

    def left(self) -> tuple[int, int, int]:
        """Return how many networks, endpoints and pools there are."""
        store = self.world.store
        return len(store.list(Network)), len(store.list(Endpoint)), len(store.list(Pool))


@pytest.fixture
def scene() -> Scene:
    """Return a scene that the engine knows."""
    return Scene()


def test_what_the_engine_knows_stays(scene: Scene) -> None:
    """Nothing that the engine knows is removed, however often pynet asks."""
    for now in range(1, 1000, 50):
        scene.collector.collect(now)

    assert scene.left() == (1, 1, 1)


def test_a_removal_that_fails_keeps_no_other(scene: Scene) -> None:
    """A removal that fails unexpectedly is logged once and keeps no other removal, here of the pool."""

    def fail(*_: object) -> bool:
        raise ValueError("odd")

    scene.world.removal.forgotten_endpoint = fail  # type: ignore[method-assign,assignment]
    scene.forgets(endpoints=frozenset(), pools=frozenset())
    with capture_logs() as lines:
        for now in (10, 80, 90):
            scene.collector.collect(now)

    assert scene.left() == (1, 1, 0)
    assert [line["log_level"] for line in lines if "exc_info" in line] == ["error"]


def test_a_forgotten_endpoint_goes_with_its_port(scene: Scene) -> None:
    """A forgotten endpoint is removed with its port after the grace time, not before; the reaper takes its link."""
    scene.forgets(endpoints=frozenset())
    scene.collector.collect(10)
    scene.collector.collect(10 + GRACE - 1)
    assert scene.left() == (1, 1, 1)
    scene.collector.collect(10 + GRACE)
    scene.world.bury()

    assert scene.left() == (1, 0, 1)
    assert (scene.world.sockets.taken, sorted(scene.world.kernel.by_name)) == (set(), ["pn-a1a1a1a1a1a1"])
    assert scene.collector.collected == {"endpoint": 1}


def test_a_forgotten_network_goes_with_its_endpoints(scene: Scene) -> None:
    """A forgotten network is removed with its endpoints: a known engine is believed although it lists no network."""
    scene.forgets(networks=frozenset(), endpoints=frozenset())
    scene.collector.collect(10)
    scene.collector.collect(10 + GRACE)

    assert scene.left() == (0, 0, 1)


def test_a_forgotten_pool_goes(scene: Scene) -> None:
    """A forgotten pool is removed with its addresses; a pool that is requested again is counted anew."""
    scene.forgets(pools=frozenset())
    scene.collector.collect(10)
    scene.ipam.release_pool(ReleasePool("pynet-local/10.1.0.0/24"))
    pool(scene.ipam, "10.1.0.0/24")
    scene.collector.collect(10 + GRACE)
    assert scene.left() == (1, 1, 1)
    scene.collector.collect(10 + 2 * GRACE)

    assert scene.left() == (1, 1, 0)


def test_an_address_that_no_endpoint_has_goes(scene: Scene) -> None:
    """An address without an endpoint is removed, but not a gateway's, nor one that is requested again."""
    scene.forgets(addresses=frozenset({"10.1.0.3"}))
    address(scene.ipam, scene.pool)
    scene.collector.collect(10)
    assert scene.addresses() == {"10.1.0.1", "10.1.0.2", "10.1.0.3"}
    scene.collector.collect(10 + GRACE)

    assert scene.addresses() == {"10.1.0.1", "10.1.0.3"}
    assert scene.collector.collected == {"address": 1}


def test_addresses_of_a_network_of_many_hosts_stay(scene: Scene) -> None:
    """Addresses of a swarm's network stay: this engine does not list the endpoints of other nodes."""
    scene.forgets(counted=frozenset(), addresses=frozenset())
    scene.collector.collect(10)
    scene.collector.collect(10 + GRACE)

    assert scene.addresses() == {"10.1.0.1", "10.1.0.2"}


def test_a_pool_of_any_subnet_of_its_size_is_known(scene: Scene) -> None:
    """A pool of any subnet is known although the engine may show ``0.0.0.0/24`` for it."""
    scene.forgets(pools=frozenset({"0.0.0.0/24"}))
    scene.collector.collect(10)
    scene.collector.collect(10 + GRACE)

    assert scene.left() == (1, 1, 1)


def test_no_answer_begins_the_count_anew(scene: Scene) -> None:
    """An engine that is down or starting says nothing about what it knows."""
    scene.forgets(endpoints=frozenset())
    scene.collector.collect(10)
    scene.engine.knows = None
    scene.collector.collect(10 + GRACE)
    scene.forgets(endpoints=frozenset())
    scene.collector.collect(11 + GRACE)

    assert scene.left() == (1, 1, 1)


def test_another_run_of_the_engine_begins_the_count_anew(scene: Scene) -> None:
    """An engine that just started may not have restored its containers."""
    scene.forgets(endpoints=frozenset())
    scene.collector.collect(10)
    scene.forgets(endpoints=frozenset(), run=2)
    scene.collector.collect(10 + GRACE)
    assert scene.left() == (1, 1, 1)
    scene.collector.collect(10 + 2 * GRACE)

    assert scene.left() == (1, 0, 1)


def test_what_comes_back_is_not_removed(scene: Scene) -> None:
    """An object that is unknown once and known again, as while a container restarts, stays."""
    scene.forgets(endpoints=frozenset())
    scene.collector.collect(10)
    scene.engine.knows = ALL
    scene.collector.collect(40)
    scene.forgets(endpoints=frozenset())
    scene.collector.collect(10 + GRACE)

    assert scene.left() == (1, 1, 1)


def test_what_the_engine_named_meanwhile_is_not_removed(scene: Scene) -> None:
    """A request of the engine between two listings proves that it knows the endpoint and its network; both stay."""
    scene.forgets(networks=frozenset(), endpoints=frozenset())
    scene.collector.collect(10)
    scene.world.driver.join(rq.join())
    scene.collector.collect(10 + GRACE)

    assert scene.left() == (1, 1, 1)


def test_another_engine_is_not_believed(scene: Scene) -> None:
    """An engine with other networks, or without its data, is not believed, and nothing is removed."""
    scene.engine.knows = EngineView(1, "engine b", frozenset({"c3" * 32}), frozenset(), frozenset())
    scene.collector.collect(10)
    scene.collector.collect(10 + GRACE)

    assert scene.left() == (1, 1, 1)


def test_a_removal_that_fails_is_tried_at_the_next_look(scene: Scene) -> None:
    """One log line, and the next look."""
    scene.forgets(endpoints=frozenset())
    scene.collector.collect(10)
    scene.world.failing_at(1)
    scene.collector.collect(10 + GRACE)
    scene.world.healed()
    assert scene.left() == (1, 1, 1)
    scene.collector.collect(11 + GRACE)

    assert scene.left() == (1, 0, 1)
