"""Locks are taken in one order, whichever calls meet, so that no two wait for each other."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from ipaddress import IPv4Interface

from plugin.errors import PynetError
from plugin.protocol.messages import (
    CreateEndpoint,
    EndpointOptions,
    EndpointRef,
    Interface,
    Join,
    NetworkRef,
    PortBinding,
    ProgramExternalConnectivity,
)
from plugin.request.locks import ORDER, LockName, Locks
from tests.fakes import World
from tests.unit import requests as rq

CALLS, THREADS = 250, 12


class RecordingLocks(Locks):
    """Remembers the kinds of locks that were held when a lock was taken."""

    def __init__(self) -> None:
        super().__init__(deadline=20)
        self._held = threading.local()
        self.edges: set[tuple[str, str]] = set()
        self.names: set[tuple[LockName, LockName]] = set()

    @contextmanager
    def _hold_one(self, name: LockName, until: float, patience: float) -> Iterator[None]:
        held: list[LockName] = self._held.__dict__.setdefault("names", [])
        self.names |= {(other, name) for other in held}
        self.edges |= {(other.kind, name.kind) for other in held}
        with super()._hold_one(name, until, patience):
            held.append(name)
            try:
                yield
            finally:
                held.remove(name)


def storm(world: World, seed: int) -> None:
    """Make calls about three networks with three endpoints each, and let the background do its part."""
    dice = random.Random(seed)
    for _ in range(CALLS):
        net, end = dice.randrange(3), dice.randrange(3)
        network_id, endpoint_id = f"{net:02x}" * 32, f"{net:02x}{end:02x}" + "e0" * 30
        reference = EndpointRef(network_id, endpoint_id)
        interface = Interface(IPv4Interface(f"10.{net}.0.{end + 2}/24"))
        options = EndpointOptions(port_map=(PortBinding(6, 80, host_port=8080 + dice.randrange(4)),))
        calls = [
            lambda: world.driver.create_network(rq.network(network_id, f"10.{net}.0.1/24")),  # noqa: B023
            lambda: world.driver.create_endpoint(CreateEndpoint(network_id, endpoint_id, interface)),  # noqa: B023
            lambda: world.driver.join(Join(network_id, endpoint_id, "/x")),  # noqa: B023
            lambda: world.driver.program_external_connectivity(
                ProgramExternalConnectivity(network_id, endpoint_id, options)  # noqa: B023
            ),
            lambda: world.driver.leave(reference),  # noqa: B023
            lambda: world.driver.delete_endpoint(reference),  # noqa: B023
            lambda: world.driver.delete_network(NetworkRef(network_id)),  # noqa: B023
            world.bury,
            world.reconciler.reconcile,
        ]
        with suppress(PynetError):
            dice.choices(calls, weights=[4, 6, 4, 4, 2, 2, 1, 2, 1])[0]()


def test_no_order_of_calls_can_deadlock() -> None:
    """Twelve threads make three thousand calls, and take locks only in the documented order."""
    locks = RecordingLocks()
    world = World(locks=locks)
    before = world.snapshot()
    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(storm, world, seed) for seed in range(THREADS)]:
            future.result()
    for net in range(3):
        world.driver.delete_network(NetworkRef(f"{net:02x}" * 32))
    world.bury()

    ranks = {kind: rank for rank, kind in enumerate(ORDER)}
    backwards = {edge for edge in locks.edges if ranks[edge[0]] > ranks[edge[1]]}
    crossed = {(one, other) for one, other in locks.names if (other, one) in locks.names}
    assert (backwards, crossed) == (set(), set())
    assert {("network", "endpoint"), ("network", "link"), ("link", "firewall"), ("network", "firewall")} <= locks.edges
    assert (locks._locks, world.snapshot()) == ({}, before)
