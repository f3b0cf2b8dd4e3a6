"""Whatever step of a verb of overlay mode fails, host and cluster are afterwards as before."""

from collections.abc import Callable

import pytest

from plugin.driver import Driver
from plugin.protocol.messages import CreateEndpoint
from tests.overlay_fakes import OverlayWorld, overlay
from tests.unit import requests as rq
from tests.unit.failing import fails_and_leaves_nothing

Call = Callable[[Driver], object]
DUAL = overlay(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64")


def with_other_host() -> OverlayWorld:
    """Return a host whose network another host has too."""
    other = OverlayWorld(2)
    other.driver.create_network(overlay(rq.OTHER_ID, "10.9.0.1/24", "fd00:9::1/64"))
    other.driver.create_endpoint(CreateEndpoint(rq.OTHER_ID, "e2" * 32))
    return OverlayWorld(1, other.real)


def with_network() -> OverlayWorld:
    """Return a host with the network."""
    world = with_other_host()
    world.driver.create_network(DUAL)
    return world


def with_routed_host() -> OverlayWorld:
    """Return a host with another one on its segment, whose network is routed."""
    other = OverlayWorld(2)
    other.driver.create_network(overlay(rq.OTHER_ID, tunnel="direct"))
    other.driver.create_endpoint(CreateEndpoint(rq.OTHER_ID, "e2" * 32))
    return OverlayWorld(1, other.real)


CASES: dict[str, tuple[Callable[[], OverlayWorld], Call]] = {
    "first": (OverlayWorld, lambda driver: driver.create_network(DUAL)),
    "second": (with_other_host, lambda driver: driver.create_network(DUAL)),
    "routed": (with_routed_host, lambda driver: driver.create_network(overlay(tunnel="direct"))),
    "endpoint": (with_network, lambda driver: driver.create_endpoint(rq.endpoint(address_ipv6="fd00:9::2/64"))),
}


def steps_of(name: str) -> int:
    """Return how many steps a verb takes when nothing fails."""
    make, call = CASES[name]
    return make().steps_of(call)


STEPS = [(name, step) for name in CASES for step in range(1, steps_of(name) + 1)]


@pytest.mark.parametrize(("name", "step"), STEPS, ids=[f"{name}-{step}" for name, step in STEPS])
def test_a_creation_that_fails_leaves_nothing(name: str, step: int) -> None:
    """Kernel, firewall and both stores are as before, and the same call then succeeds."""
    make, call = CASES[name]
    world = make()

    fails_and_leaves_nothing(world, call, step)


def test_the_sweep_covers_every_step() -> None:
    """The fakes count steps of every verb; otherwise the sweep above would prove nothing."""
    assert {name: steps_of(name) for name in CASES} == {"first": 17, "second": 19, "routed": 15, "endpoint": 5}
