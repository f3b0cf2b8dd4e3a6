"""Every caller removes endpoints and networks in the same steps."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network, Tombstone
from plugin.store.base import Put, Remove
from tests.fakes import World
from tests.unit import requests as rq

FAR_AHEAD = float("inf")  # later than any call of the engine


def lose_link(world: World) -> None:
    """Let somebody delete the endpoint's link, and the reconciler find that."""
    world.kernel._drop(host_link_name(rq.ENDPOINT_ID))
    world.reconciler.reconcile()


WAYS: dict[str, Callable[[World], object]] = {
    "DeleteEndpoint": lambda world: world.driver.delete_endpoint(rq.ENDPOINT),
    "DeleteNetwork": lambda world: world.driver.delete_network(rq.NETWORK),
    "a link that is lost": lose_link,
    "an endpoint that the engine forgot": lambda world: world.removal.forgotten_endpoint(rq.ENDPOINT, FAR_AHEAD),
    "a network that the engine forgot": lambda world: world.removal.forgotten_network(rq.NETWORK, FAR_AHEAD),
    "an address that is given out again": lambda world: world.driver.create_endpoint(
        replace(rq.endpoint(), endpoint_id="e1" * 32)
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_an_endpoint_is_left(world: World, way: str) -> None:
    """A removed endpoint leaves no record, socket or owner of its address, only a tombstone for its link."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    world.driver.program_external_connectivity(rq.program(8080))
    before = world.store.list(Endpoint)[0].record
    WAYS[way](world)

    assert world.store.get(Endpoint, before.key) is None
    assert not world.sockets.taken
    assert before not in world.removal.owners.others_with_addresses_of(replace(before, id="other"))
    assert world.store.get(Tombstone, host_link_name(rq.ENDPOINT_ID)) is not None


@pytest.mark.parametrize("change", ["another mode", "no record"])
def test_an_endpoint_of_an_unknown_network_goes_by_its_name(world: World, change: str) -> None:
    """An endpoint of an unknown network, as in a damaged database, is removed by the name of its link."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    network = world.store.list(Network)[0].record
    world.store.transact(Remove(Network, network.id) if change == "no record" else Put(replace(network, mode="other")))
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.bury()

    assert (world.store.list(Endpoint), world.store.list(Tombstone)) == ([], [])
    assert not world.kernel.link_exists(host_link_name(rq.ENDPOINT_ID))
