"""The rules about repeats and disorder, one by one; ``test_disorder`` mixes them (docs/protocol.md has the table)."""

import threading
from dataclasses import replace

import pytest

from plugin.errors import Conflict, NotFound
from plugin.model.records import Endpoint
from plugin.protocol.messages import CreateEndpoint, EndpointRef, Join, NetworkRef
from tests.fake_sockets import Steps
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_attempt import END, Gate, HangingNft
from tests.unit.test_background import restarted

SWARM_ID = "x4k2mz9q1w7e5r3t8y6u0ip2a"


@pytest.fixture
def joined(world: World) -> World:
    """Return a world with an endpoint that has joined and publishes a port."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    world.driver.join(rq.join())
    world.driver.program_external_connectivity(rq.program(8080))
    return world


def held(world: World) -> set[int]:
    """Return the ports that are held."""
    return {port for _, _, port in world.sockets.taken}


def test_join_answers_the_same_each_time(joined: World) -> None:
    """Join answers the same when repeated, after Leave (moby Sandbox.Refresh), and after a restart of pynet."""
    first = joined.driver.join(rq.join())
    joined.driver.leave(rq.ENDPOINT)
    second = joined.driver.join(rq.join())

    assert first == second == restarted(joined).driver.join(rq.join())


def test_leave_withdraws_ports_without_revoke(joined: World) -> None:
    """29.0 and later send no Revoke after live-restore; Leave comes twice when a join failed."""
    joined.driver.leave(rq.ENDPOINT)
    joined.driver.leave(rq.ENDPOINT)

    assert held(joined) == set()


def test_leave_without_join_is_fine(world: World) -> None:
    """29.0 and later roll back a join that failed with Leave."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    before = world.snapshot()
    world.driver.leave(rq.ENDPOINT)

    assert world.snapshot() == before


def test_delete_endpoint_needs_no_leave(joined: World) -> None:
    """28 and earlier roll back a join that failed with DeleteEndpoint alone."""
    joined.driver.delete_endpoint(rq.ENDPOINT)
    joined.bury()

    assert held(joined) == set()
    assert sorted(joined.kernel.by_name) == ["pn-a1a1a1a1a1a1"]


def test_program_again_replaces(joined: World) -> None:
    """A second Program replaces the published ports; an empty one withdraws all."""
    joined.driver.program_external_connectivity(rq.program(8081, 8082))
    assert held(joined) == {8081, 8082}
    joined.driver.program_external_connectivity(rq.program())

    assert held(joined) == set()


def test_the_same_network_with_other_options_is_refused(joined: World) -> None:
    """A network cannot be changed by creating it again; nothing happens to the first."""
    before = joined.snapshot()
    with pytest.raises(Conflict, match="network 'a1a1a1a1a1a1' exists already with other settings"):
        joined.driver.create_network(rq.network(options={"com.docker.network.driver.mtu": "1400"}))

    assert joined.snapshot() == before


def test_a_repeat_with_other_content_is_refused_until_the_first_is_removed(joined: World) -> None:
    """A repeat with another address is refused until the first endpoint, whose answer was lost, is removed."""
    other = rq.endpoint("10.9.0.77/24")
    with pytest.raises(Conflict, match="endpoint 'e0e0e0e0e0e0' exists already with other settings"):
        joined.driver.create_endpoint(other)
    joined.driver.delete_endpoint(rq.ENDPOINT)
    joined.driver.create_endpoint(other)

    stored = joined.store.get(Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}")
    assert stored is not None
    assert str(stored.record.ipv4) == "10.9.0.77/24"


def test_a_swarm_network_has_a_short_id(world: World) -> None:
    """25 characters of base 36; it is created again with the same id after a restart of the engine."""
    before = world.snapshot()
    endpoint = replace(rq.endpoint(), network_id=SWARM_ID)
    for _ in range(2):
        world.driver.create_network(rq.network(SWARM_ID))
        world.driver.create_endpoint(endpoint)
    assert world.driver.join(Join(SWARM_ID, rq.ENDPOINT_ID, "/x")).src_name in world.kernel.by_name
    world.driver.delete_network(NetworkRef(SWARM_ID))
    world.bury()

    assert world.snapshot() == before


def test_delete_network_overtakes_delete_endpoint() -> None:
    """DeleteNetwork and DeleteEndpoint at the same time (28.1 and later) both succeed and leave nothing."""
    gate = Gate()
    nft = HangingNft(Steps())
    world = World(nft=nft)
    before = world.snapshot()
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    world.driver.program_external_connectivity(rq.program(8080))
    nft.gate = gate
    first = threading.Thread(target=world.driver.delete_endpoint, args=[rq.ENDPOINT])
    second = threading.Thread(target=world.driver.delete_network, args=[rq.NETWORK])
    first.start()
    assert gate.reached.wait(END)
    second.start()
    gate.open.set()
    first.join(END)
    second.join(END)
    world.bury()

    assert world.snapshot() == before


def test_an_endpoint_of_a_network_that_is_being_removed_is_refused(joined: World) -> None:
    """DeleteNetwork failed and is tried again; the same id can be created anew, and is then another network."""
    joined.failing_at(2)
    with pytest.raises(Exception, match="simulated"):
        joined.driver.delete_network(rq.NETWORK)
    joined.healed()
    with pytest.raises(NotFound, match="network 'a1a1a1a1a1a1' is being removed"):
        joined.driver.create_endpoint(CreateEndpoint(rq.NETWORK_ID, "f1" * 32))
    joined.driver.create_network(rq.network(options={"com.docker.network.driver.mtu": "1400"}))
    assert joined.reaper.retries.run() == 0

    assert joined.store.list(Endpoint) == []
    assert joined.kernel.by_name["pn-a1a1a1a1a1a1"].mtu == 1400


def test_a_removal_for_another_network_finds_nothing(joined: World) -> None:
    """Ids belong together: an endpoint is looked for in the network that the call names."""
    before = joined.snapshot()
    for verb in (joined.driver.leave, joined.driver.delete_endpoint, joined.driver.revoke_external_connectivity):
        verb(EndpointRef(rq.OTHER_ID, rq.ENDPOINT_ID))

    assert joined.snapshot() == before
