"""A MAC belongs to one endpoint of a network, and never to its gateway."""

from dataclasses import replace

import pytest

from plugin.errors import Conflict, InvalidRequest
from plugin.protocol.messages import CreateEndpoint
from tests.fakes import World
from tests.unit import requests as rq

FIRST = "02:42:0a:09:00:02"  # what follows from 10.9.0.2


def second(mac: str | None = None, address: str = "10.9.0.3/24") -> CreateEndpoint:
    """Return the request for another endpoint."""
    return replace(rq.endpoint(address, mac=mac), endpoint_id="f1" * 32)


def with_a_neighbour(world: World, mac: str | None = None) -> World:
    """Return ``world`` with a network and a container in it."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint(mac=mac))
    del world.kernel.by_name["pnce0e0e0e0e0e0"]  # the engine has moved it
    return world


@pytest.mark.parametrize(
    ("mac", "sentence"),
    [
        (
            FIRST,
            "MAC address '02:42:0a:09:00:02' is already in use in network 'a1a1a1a1a1a1' by endpoint 'e0e0e0e0e0e0'",
        ),
        ("", "is already in use in network 'a1a1a1a1a1a1' by its bridge 'pn-a1a1a1a1a1a1'"),
    ],
    ids=["a neighbour's", "the gateway's"],
)
def test_a_taken_mac_is_refused(world: World, mac: str, sentence: str) -> None:
    """A taken MAC is refused with its owner, as the guard would let both send as one; nothing changes."""
    with_a_neighbour(world)
    before = world.snapshot()
    with pytest.raises(Conflict, match=sentence):
        world.driver.create_endpoint(second(mac or world.kernel.by_name["pn-a1a1a1a1a1a1"].mac))

    assert world.snapshot() == before


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "01:80:c2:00:00:0e", "ff:ff:ff:ff:ff:ff"])
def test_a_mac_of_no_host_is_refused(world: World, mac: str) -> None:
    """A MAC that no host can have is refused with a sentence, before the kernel refuses it at the container's start."""
    world.driver.create_network(rq.network())
    with pytest.raises(InvalidRequest, match=f"MAC address '{mac}' is .*, and a container needs one of its own"):
        world.driver.create_endpoint(rq.endpoint(mac=mac))


def test_a_wish_costs_no_neighbour_its_place(world: World) -> None:
    """An endpoint whose computed MAC was given to another one on request gets a different MAC and keeps it."""
    with_a_neighbour(world, mac="02:42:0a:09:00:03")
    given = world.driver.create_endpoint(second()).interface.mac_address

    assert given not in {None, "02:42:0a:09:00:03"}
    assert world.driver.create_endpoint(second()).interface.mac_address == given


def test_the_mac_of_a_container_that_is_gone_is_free(world: World) -> None:
    """A MAC is free if its container is gone, although its endpoint is still on record."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())

    world.driver.create_endpoint(second(FIRST))
    assert world.kernel.by_name["pncf1f1f1f1f1f1"].mac == FIRST
