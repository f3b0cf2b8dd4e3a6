"""The driver's memory of the engine's calls does not grow with their number."""

from contextlib import suppress
from dataclasses import replace

import pytest

from plugin.errors import Conflict, PynetError
from plugin.protocol.messages import NetworkRef
from tests.fakes import World
from tests.unit import requests as rq


@pytest.mark.parametrize("fails", [True, False], ids=["creations that fail", "endpoints that go with their network"])
def test_the_driver_remembers_no_more_than_there_is(world: World, *, fails: bool) -> None:
    """After 300 calls the driver remembers no ids, as there are no records."""
    for number in range(300):
        network = f"{number:04x}" * 16
        with suppress(PynetError):
            gateway = "10.9.0.1/24"
            world.driver.create_network(rq.network(network, gateway))
            world.failing_at(1 if fails else 0)
            request = replace(rq.endpoint(), network_id=network, endpoint_id=f"{number:04x}" * 16)
            world.driver.create_endpoint(request)
        world.healed().delete_network(NetworkRef(network))
        world.bury()

    assert len(world.removal.touched) == 0


def test_a_thing_that_is_there_is_remembered_when_a_repeated_call_fails(world: World) -> None:
    """A creation that comes again with other settings is refused, and counts as a call about the network."""
    world.driver.create_network(rq.network())
    world.removal.touched.clear()
    with pytest.raises(Conflict):
        world.driver.create_network(rq.network(rq.NETWORK_ID, "10.8.0.1/24"))

    assert world.removal.touched.latest(rq.NETWORK_ID) > 0
    assert len(world.removal.touched) == 1
