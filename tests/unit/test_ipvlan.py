"""Networks of mode ipvlan on an imaginary host."""

from dataclasses import replace
from ipaddress import IPv4Interface

import pytest

from plugin.errors import Conflict, InvalidRequest, Unsupported
from plugin.model.names import shim_name
from plugin.protocol.messages import CreateNetwork
from tests.fake_lan_links import LAN_MAC
from tests.unit import requests as rq
from tests.unit.test_macvlan import macvlan, on_lan

OTHER = rq.OTHER_ID
MAC = "02:00:00:00:00:07"


def ipvlan(*options: str, network_id: str = rq.NETWORK_ID, internal: bool = False) -> CreateNetwork:
    """Return a request for a network of the mode upon lan0; ``options`` are such as "ipvlan_mode=l3"."""
    generic = {"pynet.mode": "ipvlan", "parent": "lan0", **dict(option.split("=") for option in options)}
    return rq.network(network_id, "10.9.0.1/24", "10.8.0.1/24", "fd00:9::1/64", internal=internal, options=generic)


def joined(request: CreateNetwork) -> tuple[str, list[str]]:
    """Return gateway and routes of a container with 10.9.0.2 and fd00:9::2."""
    world = on_lan()
    world.driver.create_network(request)
    world.driver.create_endpoint(rq.endpoint("10.9.0.2/24", "fd00:9::2/64"))
    reply = world.driver.join(rq.join())
    assert reply.disable_gateway_service
    assert all(route.next_hop is None for route in reply.static_routes)
    return str(reply.gateway), [str(route.destination) for route in reply.static_routes]


def test_a_container_comes_and_goes() -> None:
    """Its link has the parent's MAC, so the engine hears of none; nothing is left, and the parent is as it was."""
    world = on_lan()
    before = world.snapshot()
    world.driver.create_network(ipvlan("ipvlan_mode=l3s", "ipvlan_flag=private"))
    reply = world.driver.create_endpoint(rq.endpoint(mac=None))
    child = world.kernel.into_container(world.driver.join(rq.join()).src_name)

    assert reply.interface is not None
    assert reply.interface.mac_address is None
    assert (child.parent, child.kind, child.variety, child.flag) == ("lan0", "ipvlan", "l3s", "private")
    assert child.mac == ""
    assert world.reconciler.reconcile() == []
    world.driver.leave(rq.ENDPOINT)
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)
    world.bury()
    assert world.snapshot() == before


@pytest.mark.parametrize(
    ("request_", "gateway", "routes"),
    [
        (ipvlan(), "10.9.0.1", []),
        (ipvlan(internal=True), "None", []),
        (ipvlan("ipvlan_mode=l3"), "None", ["0.0.0.0/0", "::/0"]),
        (ipvlan("ipvlan_mode=l3s"), "None", ["0.0.0.0/0", "::/0"]),
        (ipvlan("ipvlan_mode=l3", "pynet.default_route=off"), "None", ["10.8.0.0/24"]),
        (ipvlan("ipvlan_mode=l3", internal=True), "None", ["10.8.0.0/24"]),
    ],
)
def test_the_default_route_leads_to_the_gateway_or_to_the_link(
    request_: CreateNetwork, gateway: str, routes: list[str]
) -> None:
    """In l3 nobody answers for a gateway; without a default route the network's other subnets stay in reach."""
    assert joined(request_) == (gateway, routes)


def test_networks_of_one_parent_have_one_mode_and_flag() -> None:
    """A second mode would change running containers; with the same one a second network is let in."""
    world = on_lan()
    world.driver.create_network(ipvlan("ipvlan_mode=l3"))
    for options, what in (
        (["ipvlan_mode=l2"], "l2 and bridge"),
        (["ipvlan_mode=l3", "ipvlan_flag=vepa"], "l3 and vepa"),
    ):
        with pytest.raises(Conflict, match=f"its containers would change to {what} too"):
            world.driver.create_network(ipvlan(*options, network_id=OTHER))
    with pytest.raises(Conflict, match="cannot have both kinds of links upon it"):
        world.driver.create_network(macvlan(OTHER))

    world.driver.create_network(ipvlan("ipvlan_mode=l3", network_id=OTHER))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["ipvlan_mode=l4"], "option 'ipvlan_mode' must be l2, l3 or l3s, not 'l4'"),
        (["ipvlan_flag=vlan"], "option 'ipvlan_flag' must be bridge, private or vepa, not 'vlan'"),
        (["pynet.default_route=no way"], "option 'pynet.default_route' must be on or off, not 'no way'"),
        (["pynet.default_route=off"], "with ipvlan_mode=l2 the default route leads to the gateway"),
        (["pynet.dhcp=on", "ipvlan_mode=l3"], "whose server cannot lease its addresses; use ipvlan_mode=l2"),
        (["macvlan_mode=bridge"], "option 'macvlan_mode' is for mode macvlan only"),
        (["parent=lo"], "loopback interface is not a valid ipvlan parent link"),
        (["parent=nic7"], "invalid subinterface vlan name nic7, example formatting is eth0.10"),
        (["pynet.guard=off"], "option 'pynet.guard' has no effect in mode ipvlan: .* -o pynet.mode=lan"),
    ],
)
def test_bad_options_are_refused_with_a_sentence(options: list[str], text: str) -> None:
    """The user hears what is wrong, and nothing is made."""
    world = on_lan()
    world.kernel.add_parent("lo", kind="")
    before = world.snapshot()
    with pytest.raises(InvalidRequest, match=text):
        world.driver.create_network(ipvlan(*options))

    assert world.snapshot() == before


def test_a_kernel_without_ipvlan_is_named() -> None:
    """The network is refused, and not its first container."""
    world = on_lan()
    world.kernel.kinds_it_lacks.add("ipvlan")
    with pytest.raises(Unsupported, match=r"this kernel has no links of kind 'ipvlan' .* use -o pynet.mode=macvlan"):
        world.driver.create_network(ipvlan())


def test_a_mac_cannot_be_chosen() -> None:
    """The kernel would refuse it, and only in the container."""
    world = on_lan()
    world.driver.create_network(ipvlan())
    with pytest.raises(InvalidRequest, match=f"MAC address '{MAC}' is not possible"):
        world.driver.create_endpoint(rq.endpoint(mac=MAC))


def test_containers_of_one_mac_are_no_conflict() -> None:
    """The engine may send a request again after a timeout; and what all containers have in common is no neighbour's."""
    world = on_lan()
    world.driver.create_network(ipvlan())
    replies = [world.driver.create_endpoint(rq.endpoint()) for _ in range(2)]
    world.kernel.into_container(world.driver.join(rq.join()).src_name)
    world.driver.create_endpoint(replace(rq.endpoint("10.9.0.3/24"), endpoint_id="cc" * 32))

    assert replies[0] == replies[1]
    assert len(world.kernel.children) == 2


@pytest.mark.parametrize(("mode", "mac"), [("l2", LAN_MAC), ("l3", "")])
def test_the_host_reaches_containers_by_the_parents_mac(mode: str, mac: str) -> None:
    """In l2 the answer to a question for the MAC would come by the parent, where nobody asked; l3 has no MACs."""
    world = on_lan()
    world.kernel.add_address("lan0", IPv4Interface("10.9.0.200/24"))
    world.driver.create_network(ipvlan(f"ipvlan_mode={mode}", "pynet.host_access=on"))
    world.driver.create_endpoint(rq.endpoint())

    [route] = world.kernel.host_routes(shim_name("pynet", "lan0"))
    assert route.mac == mac
    assert world.kernel.children[shim_name("pynet", "lan0")].mac == ""
