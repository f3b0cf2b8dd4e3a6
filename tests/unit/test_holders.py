"""An object that the engine gave up silently is removed when its address or subnet is handed out again."""

from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network

import pytest

from plugin.cluster.addresses.records import PoolUse
from plugin.errors import Conflict
from plugin.model.names import container_link_name, host_link_name
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import CreateNetwork
from plugin.store.base import Put
from tests.fakes import World
from tests.unit import requests as rq

SECOND = "e1" * 32


def network(identity: str = rq.NETWORK_ID, space: str = "LocalDefault") -> CreateNetwork:
    """Return the request for a network whose subnet the engine has from ``space``."""
    request = rq.network(identity)
    return replace(request, ipv4_data=tuple(replace(data, address_space=space) for data in request.ipv4_data))


def test_an_endpoint_that_was_given_up_goes_with_its_address(world: World) -> None:
    """If the engine gave up a DeleteEndpoint, port and address are free for the next container."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    world.driver.program_external_connectivity(rq.program(8080))
    world.driver.create_endpoint(replace(rq.endpoint(), endpoint_id=SECOND))
    world.bury()

    assert [item.record.id for item in world.store.list(Endpoint)] == [SECOND]
    assert not world.kernel.link_exists(host_link_name(rq.ENDPOINT_ID))
    assert not world.sockets.taken


def test_an_endpoint_in_a_container_stays(world: World) -> None:
    """An endpoint whose other end is in a container stays, whatever the address manager hands out."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    del world.kernel.by_name[container_link_name(rq.ENDPOINT_ID)]
    world.driver.create_endpoint(replace(rq.endpoint(), endpoint_id=SECOND))

    assert len(world.store.list(Endpoint)) == 2


def test_an_address_that_was_given_back_proves_nothing(world: World) -> None:
    """An address that was released properly proves nothing about other endpoints."""
    world.driver.create_network(rq.network())
    for endpoint in (rq.ENDPOINT_ID, SECOND):
        world.driver.create_endpoint(replace(rq.endpoint(), endpoint_id=endpoint))
        world.driver.delete_endpoint(replace(rq.ENDPOINT, endpoint_id=endpoint))
    world.bury()

    assert world.store.list(Endpoint) == []


def test_a_network_that_was_given_up_goes_with_its_subnet(world: World) -> None:
    """If the engine gave up a CreateNetwork, a second attempt with the same subnet removes the first network."""
    world.driver.create_network(network())
    world.driver.create_endpoint(rq.endpoint())
    world.driver.create_network(network(rq.OTHER_ID))
    world.bury()

    assert [item.record.id for item in world.store.list(Network)] == [rq.OTHER_ID]
    assert [link.name for link in world.kernel.links()] == ["pn-b2b2b2b2b2b2"]


def test_a_network_with_a_container_is_not_taken_for_dead(world: World) -> None:
    """A network with a container is not taken for dead: its subnet is refused."""
    world.driver.create_network(network())
    world.driver.create_endpoint(rq.endpoint())
    del world.kernel.by_name[container_link_name(rq.ENDPOINT_ID)]

    with pytest.raises(Conflict, match="overlaps"):
        world.driver.create_network(network(rq.OTHER_ID))


@pytest.mark.parametrize(("first", "second"), [("", ""), ("dhcp", "dhcp"), ("LocalDefault", "pynet-local")])
def test_only_an_address_manager_that_keeps_subnets_apart_proves_anything(
    world: World, first: str, second: str
) -> None:
    """A subnet from another or an unknown address manager does not prove that a network is dead."""
    world.driver.create_network(network(space=first))

    with pytest.raises(Conflict, match="overlaps"):
        world.driver.create_network(network(rq.OTHER_ID, second))


@pytest.mark.parametrize(("uses", "winner"), [(1, rq.OTHER_ID), (2, rq.NETWORK_ID)])
def test_a_pool_that_hosts_share_proves_something_when_it_has_one_use(world: World, uses: int, winner: str) -> None:
    """A shared pool proves that a network is dead only if it has a single use."""
    subnet = ip_network("10.9.0.0/24")
    world.store.transact(*(Put(PoolUse("blue/10.9.0.0/24", "here", f"{n}", subnet)) for n in range(uses)))
    world.driver.create_network(network(space="pynet-local"))
    with suppress(Conflict):
        world.driver.create_network(network(rq.OTHER_ID, "pynet-local"))

    assert [item.record.id for item in world.store.list(Network)] == [winner]


def test_addresses_are_known_after_a_restart(world: World) -> None:
    """Owners of addresses are known after a restart, from the store."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    again = World(world.kernel, world.nft, world.failing_store)
    again.driver.create_endpoint(replace(rq.endpoint(), endpoint_id=SECOND))

    assert [item.record.id for item in again.store.list(Endpoint)] == [SECOND]
