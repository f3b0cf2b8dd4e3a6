"""The driver's memory of the engine's calls does not grow with their number."""

from contextlib import suppress
from dataclasses import replace

import pytest

from plugin.engine.touched import SLACK, Touched
from plugin.errors import PynetError
from plugin.protocol.messages import NetworkRef
from tests.fakes import World
from tests.unit import requests as rq


@pytest.mark.parametrize("fails", [True, False], ids=["creations that fail", "endpoints that go with their network"])
def test_the_driver_remembers_no_more_than_there_is(world: World, *, fails: bool) -> None:
    """After 300 calls the driver remembers no more ids than there are records."""
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

    assert len(world.removal.touched) <= SLACK + 2


def test_what_there_is_is_remembered() -> None:
    """Ids without a record are dropped, and the store is read only when they are many."""
    reads = []

    def known() -> set[str]:
        reads.append(1)
        return {f"known {number}" for number in range(1000)}

    touched = Touched(known)
    for number in range(1000):
        touched.note(f"known {number}")
        touched.note(f"gone {number}")
    remembered = [touched.latest(f"known {number}") for number in range(1000)]

    assert min(remembered) > 0.0
    assert len(touched) <= 2 * 1000 + SLACK
    assert len(reads) < 16
