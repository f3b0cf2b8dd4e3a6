"""``pynet endpoint renew``: a running container takes the address that its DHCP server gives it now."""

from dataclasses import replace

import pytest

from plugin.dhcp.model import FOREVER
from plugin.dhcp.record import DhcpLease
from plugin.errors import InvalidRequest
from plugin.model.records import Endpoint
from plugin.protocol.change_messages import TakeLease
from plugin.store.base import Put
from tests.fake_dhcp import SERVER, lease
from tests.fakes import World
from tests.leased_mode import asking
from tests.unit import requests as rq
from tests.unit.dhcp.test_leases import FIRST, KEY, SECOND, a_world, settle


@pytest.fixture
def world() -> World:
    """Return a host with a network whose containers have addresses by DHCP."""
    return a_world()


def test_a_container_takes_the_address_that_its_lease_has_now(world: World) -> None:
    """Its guard lets the new address pass, and nothing is wrong any more; without a change nothing happens."""
    world.driver.create_endpoint(asking())
    ask = TakeLease(rq.NETWORK_ID, rq.ENDPOINT_ID)
    assert world.live.take_lease(ask).before == FIRST
    world.dhcp.change(lease(SECOND, lasts=FOREVER))
    settle(lambda: world.runtime.leases.in_force(KEY).address == SECOND)

    taken = world.live.take_lease(ask)

    assert (taken.before, taken.address, taken.gateway) == (FIRST, SECOND, SERVER)
    assert world.store.get(Endpoint, KEY).record.ipv4 == SECOND  # type: ignore[union-attr]
    guarded = " ".join(text for _, text in world.nft.elements)
    assert (str(SECOND.ip) in guarded, str(FIRST.ip) in guarded) == (True, False)
    assert not world.reconciler.status().failing


def test_a_change_of_address_that_a_kill_cut_short_is_finished_by_the_next(world: World) -> None:
    """The endpoint has the address of its lease, whose record still says that the container has another one."""
    world.driver.create_endpoint(asking())
    world.dhcp.change(lease(SECOND, lasts=FOREVER))
    settle(lambda: world.runtime.leases.in_force(KEY).address == SECOND)
    world.store.transact(Put(replace(world.store.get(Endpoint, KEY).record, ipv4=SECOND)))  # type: ignore[union-attr]
    assert world.reconciler.status().failing

    world.live.take_lease(TakeLease(rq.NETWORK_ID, rq.ENDPOINT_ID))

    assert not world.reconciler.status().failing


def test_only_a_lease_in_force_can_be_taken(world: World) -> None:
    """Otherwise nothing is changed, and a sentence says why."""
    world.driver.create_endpoint(asking())
    world.dhcp.change(None)
    settle(lambda: [item for item in world.store.list(DhcpLease) if item.record.lost])
    settle(lambda: world.runtime.leases.of(KEY).lost)  # type: ignore[union-attr]

    with pytest.raises(InvalidRequest, match=r"its lease of '192\.168\.50\.100' has ended"):
        world.live.take_lease(TakeLease(rq.NETWORK_ID, rq.ENDPOINT_ID))
    with pytest.raises(InvalidRequest, match="the container has no address by DHCP"):
        world.runtime.leases.in_force("nobody")
