"""Links that pynet did not make, under names that it uses: none of them is changed or deleted."""

from dataclasses import replace
from typing import Any

import pytest

from netlink.errors import KernelError
from netlink.links import Link
from plugin.errors import Conflict
from plugin.model.link_owner import Owner
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network, Tombstone
from plugin.store.base import Put
from tests.fakes import World
from tests.unit import requests as rq

BRIDGE, PORT = "pn-a1a1a1a1a1a1", host_link_name(rq.ENDPOINT_ID)
GROUP = Owner("pynet").group
OTHERS: list[dict[str, Any]] = [
    {},
    {"alias": "lan"},
    {"alias": "second/network/" + rq.NETWORK_ID},
    {"alias": "pynet/network/" + rq.OTHER_ID, "group": GROUP},
]
OURS: list[dict[str, Any]] = [
    {"alias": "pynet/network/" + rq.NETWORK_ID},
    {"group": GROUP},
    {"group": GROUP, "alias": "somebody's"},
    {"group": GROUP ^ 0x40000000},
]


@pytest.mark.parametrize("other", OTHERS)
def test_a_tombstone_is_of_one_link(world: World, other: dict[str, Any]) -> None:
    """If another link has the name of a tombstone, the tombstone is dropped and the link stays with its addresses."""
    world.driver.create_network(rq.network())
    world.driver.delete_network(rq.NETWORK)
    world.kernel.by_name = {BRIDGE: Link(70, BRIDGE, "bridge", **other)}
    world.bury()

    assert BRIDGE in world.kernel.by_name
    assert world.store.list(Tombstone) == []


@pytest.mark.parametrize("own", OURS)
@pytest.mark.parametrize("owner", [rq.NETWORK_ID, ""], ids=["known", "of an older pynet"])
def test_a_link_of_this_pynet_goes(world: World, own: dict[str, Any], owner: str) -> None:
    """A link of this pynet is deleted also without its alias, with an overwritten one, or after an interrupted try."""
    world.kernel.by_name = {BRIDGE: Link(70, BRIDGE, "bridge", **own)}
    world.store.transact(Put(Tombstone(BRIDGE, owner)))
    world.reaper.start()
    world.reaper.stop()

    assert world.kernel.by_name == {}


@pytest.mark.parametrize("other", OTHERS[:3])
def test_a_tombstone_of_an_older_pynet_spares_what_is_no_pynets(world: World, other: dict[str, Any]) -> None:
    """An old tombstone, which names no owner, hits any link of this pynet and no other link."""
    world.kernel.by_name = {BRIDGE: Link(70, BRIDGE, "bridge", **other)}
    world.store.transact(Put(Tombstone(BRIDGE)))
    world.reaper.start()
    world.reaper.stop()

    assert BRIDGE in world.kernel.by_name


def test_a_bridge_of_others_is_found_and_not_changed(world: World) -> None:
    """A bridge that others made under pynet's name is reported, not changed, and not removed with the network."""
    world.driver.create_network(rq.network(options={"com.docker.network.bridge.name": "br0"}))
    world.kernel.by_name["br0"] = theirs = Link(70, "br0", "bridge", mac="02::9", mtu=9000)
    (address,) = [address for link, address in world.kernel.assigned if link == "br0"]
    found = world.reconciler.reconcile()
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert [(repair.kind, "pynet did not make" in repair.error) for repair in found] == [("LinkForeign", True)]
    assert world.kernel.by_name["br0"] == theirs
    assert ("br0", address) in world.kernel.assigned


def test_a_veth_of_others_is_not_taken(world: World) -> None:
    """The endpoint is refused with a sentence, and its undo deletes nothing that it did not make."""
    world.driver.create_network(rq.network())
    world.kernel.by_name[PORT] = Link(70, PORT, "veth", alias="vm7")
    before = world.snapshot()
    with pytest.raises(Conflict, match=f"link '{PORT}' for 'e0e0e0e0e0e0': there is another .* with alias 'vm7'"):
        world.driver.create_endpoint(rq.endpoint())

    assert world.snapshot() == before


def test_an_endpoint_whose_id_begins_alike_is_not_replaced(world: World) -> None:
    """Names hold twelve characters of an id; the first of two endpoints keeps its link, its guard and its record."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    before = world.snapshot()
    second = replace(rq.endpoint("10.9.0.3/24"), endpoint_id=rq.ENDPOINT_ID[:12] + "5" * 52)
    with pytest.raises(Conflict, match="with alias 'pynet/endpoint/e0e0"):
        world.driver.create_endpoint(second)

    assert world.snapshot() == before


def test_what_a_killed_request_left_is_made_anew(world: World) -> None:
    """The pair and the bridge of the same ids are this pynet's own."""
    for name, what in ((BRIDGE, f"network/{rq.NETWORK_ID}"), (PORT, f"endpoint/{rq.ENDPOINT_ID}")):
        world.kernel.by_name[name] = Link(70 + len(name), name, "bridge", alias=f"pynet/{what}")
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())

    assert {world.kernel.by_name[name].index < 70 for name in (BRIDGE, PORT)} == {True}


def test_a_lost_endpoint_leaves_the_link_that_took_its_name(world: World) -> None:
    """A lost endpoint is dropped, but a foreign link that has its name stays."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    world.kernel.by_name[PORT] = theirs = Link(70, PORT, "veth", alias="vm7")
    found = world.reconciler.reconcile()
    world.bury()

    assert [repair.kind for repair in found] == ["EndpointLost"]
    assert world.store.list(Endpoint) == []
    assert world.kernel.by_name[PORT] == theirs


def test_a_link_that_cannot_be_deleted_keeps_no_other_tombstone(world: World) -> None:
    """A link that cannot be deleted is tried again, and holds up no other tombstone."""
    for network in (rq.NETWORK_ID, rq.OTHER_ID):
        gateway = {rq.NETWORK_ID: "10.9.0.1/24", rq.OTHER_ID: "10.8.0.1/24"}[network]
        world.driver.create_network(rq.network(network, gateway))
        world.driver.delete_network(replace(rq.NETWORK, network_id=network))
    delete, stuck = world.kernel.delete_links, world.kernel.by_name["pn-b2b2b2b2b2b2"]

    def refuse_one(links: list[Link]) -> None:
        delete([link for link in links if link != stuck])
        raise KernelError("delete link: operation not supported")

    world.kernel.delete_links = refuse_one  # type: ignore[method-assign, assignment]
    with pytest.raises(KernelError, match="not supported"):
        world.reaper._delete([BRIDGE, stuck.name])

    assert [item.record.link for item in world.store.list(Tombstone)] == [stuck.name]
    assert world.store.list(Network) == []
