"""Endpoints without DeleteEndpoint: the other hosts must be told that they are gone, and their addresses are free."""

from dataclasses import replace

import pytest

from netlink.vxlan import Forward
from plugin.cluster.overlay.records import AddressClaim, Member, Peer
from plugin.errors import PynetError
from plugin.model.records import Endpoint, Overlay
from plugin.protocol.messages import CreateEndpoint, CreateEndpointReply, Interface
from plugin.store.base import Put, Remove
from tests.overlay_fakes import OverlayWorld, host_with_endpoint, overlay
from tests.unit import requests as rq

PORT, MAC = "pnhe0e0e0e0e0e0", Forward("02:42:0a:09:00:02")
ELSEWHERE = CreateEndpoint(rq.OTHER_ID, "e2" * 32, Interface(address=rq.endpoint().interface.address))


@pytest.fixture
def world() -> OverlayWorld:
    """Return a host with a network and an endpoint."""
    return host_with_endpoint()


@pytest.fixture
def other(world: OverlayWorld) -> OverlayWorld:
    """Return another host with the network, which knows the endpoint."""
    other = OverlayWorld(2, world.real)
    other.driver.create_network(overlay(rq.OTHER_ID))
    assert MAC in other.tunnels.tables["pnvb2b2b2b2b2b2"]
    return other


def lose(world: OverlayWorld) -> None:
    """Kill the engine: the container's veth pair disappears, and nobody tells pynet."""
    world.kernel._drop(PORT)


def peers(world: OverlayWorld) -> list[tuple[str, str]]:
    """Return which hosts have which endpoints."""
    return [(item.record.host, item.record.endpoint[:2]) for item in world.real.list(Peer)]


def test_a_lost_endpoint_is_free_for_the_other_host(world: OverlayWorld, other: OverlayWorld) -> None:
    """A lost endpoint leaves the store and the other host's tables, and its container starts there with its address."""
    lose(world)
    world.reconciler.reconcile()
    assert peers(world) == []
    other.hear()
    assert MAC not in other.tunnels.tables["pnvb2b2b2b2b2b2"]
    other.driver.create_endpoint(ELSEWHERE)
    world.hear()

    assert peers(world) == [("h2", "e2")]
    assert [item.record.host for item in world.real.list(AddressClaim)] == ["h2"]
    assert MAC in world.tunnels.tables["pnva1a1a1a1a1a1"]


def test_one_that_is_made_again_and_removed_leaves_nothing(world: OverlayWorld, other: OverlayWorld) -> None:
    """After a restart of the engine, a container with the same address starts and stops, and leaves nothing."""
    for number, seen in enumerate((True, False)):
        lose(world)
        if seen:
            world.reconciler.reconcile()
        world.driver.create_endpoint(replace(rq.endpoint(), endpoint_id=f"d{number}" * 32))
        assert peers(world) == [("h1", f"d{number}")]
        world.driver.delete_endpoint(replace(rq.ENDPOINT, endpoint_id=f"d{number}" * 32))
        assert [*world.real.list(Peer), *world.real.list(AddressClaim)] == []
        world.driver.create_endpoint(rq.endpoint())
    other.hear()
    with pytest.raises(PynetError, match="belongs to endpoint 'e0e0e0e0e0e0' on host 'h1'"):
        other.driver.create_endpoint(ELSEWHERE)


def test_one_that_is_lost_while_the_store_is_away_goes_later(world: OverlayWorld, other: OverlayWorld) -> None:
    """An endpoint that is lost while the store is away is withdrawn later, like one that the engine removes."""
    lose(world)
    world.shared.away = True
    world.reconciler.reconcile()
    assert (world.store.list(Endpoint), peers(world)) == ([], [("h1", "e0")])
    world.shared.away = False
    world.removals.flush()
    other.hear()
    other.driver.create_endpoint(ELSEWHERE)

    assert peers(world) == [("h2", "e2")]


def test_surplus_records_go_at_every_round(world: OverlayWorld) -> None:
    """Every round removes surplus records, as a failed undo may leave one at any time; records of others stay."""
    address = rq.ipam("10.9.0.1/24").pool[9]
    for _ in range(2):
        stray = Peer("blue", "dead", "h1", "02:00:00:00:00:09")
        world.real.transact(Put(stray), Put(replace(stray, endpoint="theirs", host="h2")))
        world.real.transact(Put(Member("red", "h1", "gone", address)))
        world.hear()
        assert peers(world) == [("h1", "e0"), ("h2", "th")]
        assert [item.record.network for item in world.real.list(Member)] == ["blue"]


def test_one_that_is_being_made_is_no_surplus(world: OverlayWorld) -> None:
    """An endpoint in the making is no surplus: the request holds its lock, and the round waits for that."""
    announced, rounds = world.presence.announce, list[str]()

    def announce(overlay: Overlay, endpoint: Endpoint) -> None:
        announced(overlay, endpoint)
        world.hear()
        rounds.extend(key for _, key in peers(world))

    world.presence.announce = announce  # type: ignore[method-assign]
    world.driver.create_endpoint(replace(rq.endpoint(), endpoint_id="e1" * 32, interface=Interface()))
    world.hear()

    assert rounds == ["e0", "e1"]
    assert peers(world) == [("h1", "e0"), ("h1", "e1")]


def test_nothing_is_queued_twice_while_the_store_is_away(world: OverlayWorld) -> None:
    """Each round asks the store before it removes, so that no removal is queued twice while the store is away."""
    world.real.transact(Put(Peer("blue", "dead", "h1", "02:00:00:00:00:09")))
    world.peers.watching.load()
    world.shared.away = True
    for _ in range(3):
        world.presence.mend()
    assert world.removals.left == []
    world.shared.away = False
    world.real.transact(Remove(Peer, "blue/dead"))
    world.removals.take_back = None  # type: ignore[assignment,method-assign]
    world.presence.mend()  # nothing is asked to be taken back


def test_two_hosts_that_begin_at_once_do_not_get_one_address(world: OverlayWorld, other: OverlayWorld) -> None:
    """If two hosts write one address at the same moment, the store accepts one and refuses the other."""
    wish = Interface(address=rq.endpoint(address="10.9.0.7/24").interface.address)
    write, results = other.real.transact, list[CreateEndpointReply | str]()

    def write_late(*changes: object) -> None:
        if any(isinstance(change, Put) and isinstance(change.record, Peer) for change in changes):
            other.shared.transact = write  # type: ignore[method-assign]
            results.append(world.driver.create_endpoint(CreateEndpoint(rq.NETWORK_ID, "e1" * 32, wish)))
        write(*changes)  # type: ignore[arg-type]

    other.shared.transact = write_late  # type: ignore[method-assign]
    with pytest.raises(PynetError, match=r"address 10\.9\.0\.7 .* belongs to endpoint 'e1e1e1e1e1e1' on host 'h1'"):
        other.driver.create_endpoint(CreateEndpoint(rq.OTHER_ID, "e2" * 32, wish))

    assert len(results) == 1
    assert peers(world) == [("h1", "e0"), ("h1", "e1")]
    assert [item.record.host for item in world.real.list(AddressClaim)] == ["h1", "h1"]


def test_a_claim_without_its_endpoint_keeps_nobody_out(world: OverlayWorld, other: OverlayWorld) -> None:
    """A claim without an endpoint, as of a forgotten host, or one that cannot be read, keeps nobody out."""
    for key in ("left", "bad"):
        address = rq.ipam("10.9.0.1/24").pool[8 if key == "left" else 9]
        claim = AddressClaim("blue", address, key, "h1")
        world.real.transact(Put(claim))
        if key == "bad":
            world.real.spoil(AddressClaim, claim.key, "{")
        wish = Interface(address=rq.endpoint(address=f"{address}/24").interface.address)
        other.driver.create_endpoint(CreateEndpoint(rq.OTHER_ID, f"{address.packed[-1]:02x}" * 32, wish))

    assert peers(world) == [("h2", "08"), ("h2", "09"), ("h1", "e0")]
    assert [item.record.host for item in world.real.list(AddressClaim)] == ["h1", "h2", "h2"]
