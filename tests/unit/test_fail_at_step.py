"""Whatever step of a verb fails, the fake host is afterwards as it was before."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from plugin.driver import Driver
from plugin.errors import PynetError
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.failing import fails_and_leaves_nothing

Call = Callable[[Driver], object]
DUAL = rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64")


def nothing(_driver: Driver) -> None:
    """Prepare nothing."""


def a_network(driver: Driver) -> None:
    """Prepare a network."""
    driver.create_network(DUAL)


def a_second_network(driver: Driver) -> None:
    """Prepare another network, so that the firewall's table stays."""
    driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))


def an_endpoint(driver: Driver) -> None:
    """Prepare an endpoint."""
    a_network(driver)
    driver.create_endpoint(rq.endpoint(address_ipv6="fd00:9::2/64"))


def a_published_port(driver: Driver) -> None:
    """Prepare an endpoint with a published port."""
    an_endpoint(driver)
    driver.program_external_connectivity(rq.program(8080))


CREATING: dict[str, tuple[Call, Call]] = {
    "first network": (nothing, lambda driver: driver.create_network(DUAL)),
    "second network": (a_second_network, lambda driver: driver.create_network(DUAL)),
    "endpoint": (a_network, lambda driver: driver.create_endpoint(rq.endpoint())),
    "ports": (an_endpoint, lambda driver: driver.program_external_connectivity(rq.program(8080, 8081))),
    "other ports": (a_published_port, lambda driver: driver.program_external_connectivity(rq.program(8080, 8081))),
}


def steps_of(name: str) -> int:
    """Return how many steps a verb takes when nothing fails."""
    prepare, call = CREATING[name]
    world = World()
    prepare(world.driver)
    return world.steps_of(call)


CASES = [(name, step) for name in CREATING for step in range(1, steps_of(name) + 1)]


@pytest.mark.parametrize(("name", "step"), CASES, ids=[f"{name}-{step}" for name, step in CASES])
def test_a_creation_that_fails_leaves_nothing(world: World, name: str, step: int) -> None:
    """Kernel, firewall and store are as before, and the same call then succeeds."""
    prepare, call = CREATING[name]
    prepare(world.driver)

    fails_and_leaves_nothing(world, call, step)


def test_the_sweep_covers_every_step() -> None:
    """The fakes count steps of every verb; otherwise the sweep above would prove nothing."""
    assert {name: steps_of(name) for name in CREATING} == {
        "first network": 13,
        "second network": 9,
        "endpoint": 4,
        "ports": 4,
        "other ports": 3,
    }


REMOVING: dict[str, Call] = {
    "network": lambda driver: driver.delete_network(rq.NETWORK),
    "endpoint": lambda driver: driver.delete_endpoint(rq.ENDPOINT),
}


@pytest.mark.parametrize("step", range(1, 6))
@pytest.mark.parametrize("name", REMOVING)
def test_a_removal_that_fails_can_be_repeated(world: World, name: str, step: int) -> None:
    """A removal that fails half-way can be repeated: the next one finishes the rest."""
    before = world.snapshot()
    world.driver.create_network(DUAL)
    world.driver.create_endpoint(rq.endpoint())

    with suppress(PynetError):
        REMOVING[name](world.failing_at(step))
    world.healed().delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert world.snapshot() == before
