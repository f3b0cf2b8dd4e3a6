"""A host's records in the cluster store after a crash, an outage, or after it was forgotten."""

import pytest

from plugin.cluster.overlay.records import ClusterNetwork, Member, Peer, VniClaim
from plugin.errors import Conflict
from plugin.model.records import Overlay
from plugin.protocol.messages import CreateEndpoint, Interface
from plugin.store.base import Put, Remove
from tests.overlay_fakes import OverlayWorld, host_with_endpoint, overlay
from tests.unit import requests as rq

KINDS: tuple[type[Member | Peer], ...] = (Member, Peer)


@pytest.fixture
def world() -> OverlayWorld:
    """Return a host with a network and an endpoint."""
    return host_with_endpoint()


@pytest.fixture
def other(world: OverlayWorld) -> OverlayWorld:
    """Return another host with the network."""
    other = OverlayWorld(2, world.real)
    other.driver.create_network(overlay(rq.OTHER_ID))
    return other


def take(world: OverlayWorld) -> None:
    """Create an endpoint with the address of the first host's."""
    world.driver.create_endpoint(
        CreateEndpoint(rq.OTHER_ID, "e2" * 32, Interface(address=rq.endpoint().interface.address))
    )


def peers(world: OverlayWorld) -> list[str]:
    """Return which hosts have endpoints."""
    return [item.record.host for item in world.real.list(Peer)]


def test_a_host_that_was_forgotten_comes_back(world: OverlayWorld) -> None:
    """A forgotten host that comes back writes its records again."""
    before = [item.record for kind in KINDS for item in world.real.list(kind)]
    assert len(before) == 2
    world.real.transact(*(Remove(type(record), record.key) for record in before))
    world.hear()

    assert [item.record for kind in KINDS for item in world.real.list(kind)] == before


def test_the_only_member_that_was_forgotten_agrees_with_itself_again(world: OverlayWorld) -> None:
    """The only member that was forgotten claims its network with the same VNI again."""
    kinds: tuple[type[ClusterNetwork | VniClaim | Member], ...] = (ClusterNetwork, VniClaim, Member)
    before = [item.record for kind in kinds for item in world.real.list(kind)]
    world.real.transact(*(Remove(type(record), record.key) for record in before))
    world.hear()

    assert [item.record for kind in kinds for item in world.real.list(kind)] == before


def test_what_a_killed_run_left_is_removed(world: OverlayWorld, other: OverlayWorld) -> None:
    """Records of this host without a network or an endpoint are removed; those of other hosts stay."""
    other.driver.create_endpoint(CreateEndpoint(rq.OTHER_ID, "e2" * 32))
    mac, address = "02:00:00:00:00:09", world.presence.member(Overlay("blue", 0, 0, 0), "").address
    world.real.transact(Put(Peer("blue", "dead", "h1", mac)), Put(Member("red", "h1", "dead", address)))
    revived = OverlayWorld(1, world.real, world.failing_store)
    revived.resume()
    revived.hear()

    assert sorted(peers(world)) == ["h1", "h2"]
    assert sorted(item.record.network for item in world.real.list(Member)) == ["blue", "blue"]


def test_an_address_of_a_living_host_is_refused(world: OverlayWorld, other: OverlayWorld) -> None:
    """The sentence says who has it, and what to do."""
    other.hear()

    with pytest.raises(
        Conflict, match=r"address 10\.9\.0\.2 .* belongs to endpoint 'e0e0e0e0e0e0' on host 'h1'; stop that"
    ):
        take(other)

    assert peers(world) == ["h1"]


def test_an_address_of_a_dead_host_is_taken_over(world: OverlayWorld, other: OverlayWorld) -> None:
    """An address of a dead host is taken over, and that host does not take it back when it returns."""
    other.hear()
    other.dead.add("h1")
    take(other)
    assert peers(world) == ["h2"]
    world.hear()

    assert peers(world) == ["h2"]


def test_an_address_that_was_just_given_back_can_be_taken(world: OverlayWorld, other: OverlayWorld) -> None:
    """An address that was just released can be taken, although this host has not heard of the release."""
    other.hear()
    world.driver.delete_endpoint(rq.ENDPOINT)
    take(other)

    assert peers(world) == ["h2"]


def test_nothing_is_mended_before_the_store_was_read(world: OverlayWorld) -> None:
    """Nothing is mended before the store was read, as unknown records would count as missing."""
    revived = OverlayWorld(1, world.real, world.failing_store)
    revived.resume()
    world.real.transact(Put(Peer("blue", "dead", "h1", "02:00:00:00:00:09")))
    revived.presence.mend()

    assert peers(world) == ["h1", "h1"]
