"""Networks of mode macvlan on an imaginary host."""

from plugin.protocol.messages import CreateNetwork
from tests.fakes import World
from tests.unit import requests as rq

LINK = f"pnc{rq.ENDPOINT_ID[:12]}"
MAC = "02:00:00:00:00:07"


def macvlan(network_id: str = rq.NETWORK_ID, **options: str) -> CreateNetwork:
    """Return a request for a network of the mode upon lan0."""
    generic = {"pynet.mode": "macvlan", "parent": "lan0", **options}
    return rq.network(network_id, "10.9.0.1/24", "fd00:9::1/64", options=generic)


def on_lan() -> World:
    """Return an imaginary host with a link to a LAN."""
    world = World()
    world.kernel.add_parent()
    return world


def test_a_container_comes_and_goes() -> None:
    """The engine hears of the link and the user's gateways; nothing is left, and the parent is as it was."""
    world = on_lan()
    before = world.snapshot()
    world.driver.create_network(macvlan(macvlan_mode="private"))
    world.driver.create_endpoint(rq.endpoint(mac=MAC))

    reply = world.driver.join(rq.join())
    child = world.kernel.into_container(reply.src_name)

    assert (reply.src_name, str(reply.gateway), reply.disable_gateway_service) == (LINK, "10.9.0.1", True)
    assert (child.parent, child.variety, child.mac, child.mtu) == ("lan0", "private", MAC, 0)
    assert world.reconciler.reconcile() == []
    world.driver.leave(rq.ENDPOINT)
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)
    world.bury()
    assert world.snapshot() == before
