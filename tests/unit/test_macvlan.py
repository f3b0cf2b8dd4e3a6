"""Networks of mode macvlan on an imaginary host."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from plugin.driver import Driver
from plugin.errors import Conflict, InvalidRequest, Unsupported
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import CreateNetwork, EndpointOptions, GwAllocCheck, NetworkRef, PortBinding
from plugin.store.base import Put, Remove
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.failing import fails_and_leaves_nothing

LINK = f"pnc{rq.ENDPOINT_ID[:12]}"
STUB = f"pnd{rq.NETWORK_ID[:12]}"
MAC, OTHER_MAC = "02:00:00:00:00:07", "02:00:00:00:00:08"


def macvlan(network_id: str = rq.NETWORK_ID, gateway: str = "10.9.0.1/24", **options: str) -> CreateNetwork:
    """Return a request for a network of the mode upon lan0."""
    generic = {"pynet.mode": "macvlan", "parent": "lan0", **options}
    return rq.network(network_id, gateway, "fd00:9::1/64", options=generic)


def on_lan() -> World:
    """Return an imaginary host with a link to a LAN."""
    world = World()
    world.kernel.add_parent()
    return world


def with_container(**options: str) -> World:
    """Return a host with a network and a container in it, whose link is in the container."""
    world = on_lan()
    world.driver.create_network(macvlan(**options))
    world.driver.create_endpoint(rq.endpoint(mac=MAC))
    world.kernel.into_container(world.driver.join(rq.join()).src_name)
    return world


def kinds(world: World) -> list[tuple[str, bool]]:
    """Return the findings of a survey, and whether each was repaired."""
    return [(each.kind, not each.error) for each in world.reconciler.reconcile()]


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
    assert kinds(world) == []
    world.driver.leave(rq.ENDPOINT)
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)
    world.bury()
    assert world.snapshot() == before


def test_a_link_that_cannot_be_deleted_is_left_to_the_reaper() -> None:
    """The engine asks once, and hears that it is done; an endpoint of the same id may come before the reaper."""
    world = on_lan()
    world.driver.create_network(macvlan())
    world.driver.create_endpoint(rq.endpoint(mac=MAC))
    world.failing_at(1).delete_endpoint(rq.ENDPOINT)
    world.healed()
    assert not world.store.list(Endpoint)
    assert world.kernel.link_exists(LINK)

    world.driver.create_endpoint(rq.endpoint(mac=MAC))
    world.bury()
    assert world.kernel.link_exists(LINK)
    world.failing_at(1).delete_endpoint(rq.ENDPOINT)
    world.healed()
    world.bury()
    assert not world.kernel.link_exists(LINK)


def test_the_engine_takes_no_address_for_a_gateway() -> None:
    """The first address of a LAN is somebody's, so only one that the user gave is a gateway."""
    reply = on_lan().driver.gw_alloc_check(GwAllocCheck(macvlan().options))
    assert (reply.skip_ipv4, reply.skip_ipv6) == (True, True)


def test_each_subnet_has_its_own_gateway() -> None:
    """The gateway of an endpoint is that of the subnet in which its address is."""
    world = on_lan()
    data = (rq.ipam("10.8.0.1/24"), rq.ipam("10.9.0.254/24"), replace(rq.ipam("10.7.0.1/24"), gateway=None))
    world.driver.create_network(replace(macvlan(), ipv4_data=data))

    world.driver.create_endpoint(rq.endpoint("10.9.0.2/24"))
    assert str(world.driver.join(rq.join()).gateway) == "10.9.0.254"
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.create_endpoint(rq.endpoint("10.7.0.2/24"))
    assert world.driver.join(rq.join()).gateway is None


LEGAL = "must be a name of up to 15 bytes"
BAD: dict[str, tuple[dict[str, str], str]] = {
    "no such link": ({"parent": "eth7"}, "invalid subinterface vlan name eth7, example formatting is eth0.10"),
    "two dots": ({"parent": "lan0.1.2"}, "invalid subinterface vlan name lan0.1.2"),
    "no number": ({"parent": "lan0.x"}, "invalid subinterface vlan name lan0.x"),
    "no link before the dot": ({"parent": ".50"}, "invalid subinterface vlan name .50"),
    "VLAN 0": ({"parent": "lan0.0"}, "vlan id must be between 1-4094, received: 0"),
    "VLAN 4095": ({"parent": "lan0.4095"}, "vlan id must be between 1-4094, received: 4095"),
    "no link for the VLAN": ({"parent": "eth7.50"}, "-o parent interface was not found on the host: eth7"),
    "no name of a link": ({"parent": "a b"}, f"option 'parent' {LEGAL}"),
    "loopback": ({"parent": "lo"}, "loopback interface is not a valid macvlan parent link"),
    "no Ethernet": ({"parent": "tun0"}, "'tun0' is no Ethernet link"),
    "wireless": ({"parent": "wlan0"}, "'wlan0' is a wireless link.*-o pynet.mode=ipvlan"),
    "in a bridge": ({"parent": "port0"}, "'port0' is part of bridge 'br0'.*-o parent=br0, or -o pynet.mode=lan"),
    "a bad mode": ({"macvlan_mode": "hairpin"}, "'macvlan_mode' must be bridge, private, vepa or passthru"),
    "MTU above the parent's": ({"com.docker.network.driver.mtu": "9000"}, "9000 bytes are more than the 1500 of"),
    "a guard": ({"pynet.guard": "on"}, "'pynet.guard' has no effect in mode macvlan:.*-o pynet.mode=lan"),
    "a limit": ({"pynet.rate_in": "1mbit"}, "'pynet.rate_in' has no effect in mode macvlan"),
    "the host's resolver": ({"pynet.dns": "on"}, "'pynet.dns' has no effect in mode macvlan"),
    "a gateway mode": ({"com.docker.network.bridge.gateway_mode_ipv4": "nat"}, "-o pynet.mode=bridge makes it"),
    "a name of a bridge": ({"com.docker.network.bridge.name": "br1"}, "the link that option 'parent' names"),
    "an option of bridges": ({"pynet.gso": "on"}, "option 'pynet.gso' is for mode bridge .*only"),
}


@pytest.mark.parametrize(("options", "complaint"), BAD.values(), ids=BAD)
def test_bad_networks_are_refused_untouched(options: dict[str, str], complaint: str) -> None:
    """Each is refused with a sentence, before and at the creation, and nothing is changed."""
    world = on_lan()
    for name, values in {"lo": {"mac": "00:00:00:00:00:00"}, "tun0": {"mac": ""}, "wlan0": {}}.items():
        world.kernel.add_parent(name, **values)
    world.kernel.wireless.add("wlan0")
    bridge = world.kernel.add_parent("br0", kind="bridge")
    world.kernel.add_parent("port0", master=bridge.index)
    before = world.snapshot()

    with pytest.raises(InvalidRequest, match=complaint):
        world.driver.create_network(macvlan(**options))

    assert world.snapshot() == before


BAD_ENDPOINTS: dict[str, tuple[dict[str, str], str]] = {
    "a guard": ({"pynet.guard": "off"}, "'pynet.guard' has no effect in mode macvlan"),
    "a group": ({"pynet.group": "web"}, "'pynet.group' has no effect in mode macvlan"),
    "a limit": ({"pynet.rate_out": "1mbit"}, "'pynet.rate_out' has no effect in mode macvlan"),
}


@pytest.mark.parametrize(("options", "complaint"), BAD_ENDPOINTS.values(), ids=BAD_ENDPOINTS)
def test_bad_endpoints_are_refused_untouched(options: dict[str, str], complaint: str) -> None:
    """Options that need rules of this host are refused for a container too, and nothing is changed."""
    world = on_lan()
    world.driver.create_network(macvlan())
    before = world.snapshot()

    with pytest.raises(InvalidRequest, match=complaint):
        world.driver.create_endpoint(rq.endpoint(driver_opts=options))

    assert world.snapshot() == before


def test_a_mac_is_unique_on_the_parent() -> None:
    """A MAC that a container of another network of the parent has is refused, by its owner's name."""
    world = with_container()
    world.driver.create_network(macvlan(rq.OTHER_ID, "10.8.0.1/24"))
    twin = replace(rq.endpoint("10.8.0.2/24", mac=MAC), network_id=rq.OTHER_ID, endpoint_id="f1" * 32)
    before = world.snapshot()

    with pytest.raises(Conflict, match=f"MAC address '{MAC}' is already in use in network .* by endpoint 'e0e0"):
        world.driver.create_endpoint(twin)
    assert world.snapshot() == before
    assert world.driver.create_endpoint(replace(twin, interface=rq.endpoint("10.8.0.2/24").interface))


def test_passthru_stays_alone() -> None:
    """A parent has one network of mode passthru or others, and the container has the parent's MAC."""
    world = on_lan()
    world.driver.create_network(macvlan(macvlan_mode="passthru"))
    with pytest.raises(Conflict, match="is already using parent interface lan0 in mode passthru"):
        world.driver.create_network(macvlan(rq.OTHER_ID, "10.8.0.1/24"))
    with pytest.raises(InvalidRequest, match=f"MAC address '{MAC}' is not possible: .* have that of 'lan0'"):
        world.driver.create_endpoint(rq.endpoint(mac=MAC))

    assert world.driver.create_endpoint(rq.endpoint()).interface.mac_address is None
    world.driver.delete_network(rq.NETWORK)
    world.driver.create_network(macvlan(rq.OTHER_ID, "10.8.0.1/24"))
    with pytest.raises(Conflict, match="cannot use mode passthru, macvlan network b2b2"):
        world.driver.create_network(macvlan(macvlan_mode="passthru"))


def test_a_vlan_is_made_once_and_goes_with_its_last_network() -> None:
    """Two networks share the VLAN that the first one made; one that a user made stays."""
    world = on_lan()
    before = world.snapshot()
    for number, network in enumerate((rq.NETWORK_ID, rq.OTHER_ID), 8):
        world.driver.create_network(macvlan(network, f"10.{number}.0.1/24", parent="lan0.50"))
    assert (world.kernel.by_name["lan0.50"].kind, world.kernel.by_name["lan0.50"].up) == ("vlan", True)

    world.driver.delete_network(rq.NETWORK)
    assert world.kernel.link_exists("lan0.50")
    assert kinds(world) == []
    world.driver.delete_network(NetworkRef(rq.OTHER_ID))
    world.bury()
    assert world.snapshot() == before
    world.kernel.add_vlan("lan0.50", "lan0", 50)
    world.kernel.change("lan0.50", group=0)
    world.driver.create_network(macvlan(parent="lan0.50"))
    world.driver.delete_network(rq.NETWORK)
    assert world.kernel.link_exists("lan0.50")


def test_a_vlan_of_another_name_is_given_away_to_nobody() -> None:
    """The kernel has one link a VLAN: the text says to give its name; a kernel without VLANs says so."""
    world = on_lan()
    world.kernel.add_vlan("office", "lan0", 50)
    with pytest.raises(Conflict, match="another link of 'lan0' has VLAN 50 already: give its name"):
        world.driver.create_network(macvlan(parent="lan0.50"))
    world.kernel.kinds_it_lacks = {"vlan", "macvlan"}
    with pytest.raises(Unsupported, match=r"'lan0\.60' cannot be made"):
        world.driver.create_network(macvlan(parent="lan0.60"))
    world.driver.create_network(macvlan())
    with pytest.raises(Unsupported, match="unknown device type"):
        world.driver.create_endpoint(rq.endpoint())


def test_a_vlan_that_vanishes_is_made_again() -> None:
    """Its containers have lost their links, which is told until they are started again."""
    world = with_container(parent="lan0.50")
    world.kernel.delete_link(world.kernel.by_name["lan0.50"])

    assert kinds(world) == [("ParentAstray", True)]
    assert world.kernel.by_name["lan0.50"].up
    assert kinds(world) == [("EndpointCut", False)]
    world.driver.delete_endpoint(rq.ENDPOINT)
    assert kinds(world) == []


def test_after_a_reboot_parents_are_known_by_their_mac() -> None:
    """The parent has another index and name then; the links of all containers are gone, and they are forgotten."""
    world = with_container()
    world.kernel.settings["kernel/random/boot_id"] = "the second"
    world.kernel.delete_link(world.kernel.by_name["lan0"])
    world.kernel.add_parent("enp1s0")
    again = World(world.kernel, world.nft, world.failing_store)

    found = {each.kind: each.error for each in again.reconciler.reconcile()}

    assert found == {"EndpointLost": "", "ParentAstray": ""}
    assert [item.record.link for item in world.store.list(Network)] == ["enp1s0"]
    assert not list(world.store.list(Endpoint))
    assert kinds(again) == []


def test_a_network_without_a_parent_leads_nowhere() -> None:
    """It is upon a link without a wire that goes with it, and its containers get no gateway."""
    world = on_lan()
    before = world.snapshot()
    world.driver.create_network(macvlan(parent=""))
    world.driver.create_endpoint(rq.endpoint())

    assert (world.kernel.by_name[STUB].up, world.driver.join(rq.join()).gateway) == (True, None)
    assert world.store.get(Network, rq.NETWORK_ID).record.internal  # type: ignore[union-attr]
    world.driver.delete_network(rq.NETWORK)
    world.bury()
    assert world.snapshot() == before


def test_ports_are_not_published_and_that_is_said() -> None:
    """A log line and the record say where the container is reached instead."""
    world = on_lan()
    world.driver.create_network(macvlan())
    world.driver.create_endpoint(rq.endpoint())
    ports = EndpointOptions(port_map=(PortBinding(6, 80, host_port=8080),))

    with capture_logs() as lines:
        world.driver.join(replace(rq.join(), options=ports))
    world.driver.program_external_connectivity(rq.program(8080))

    assert [line["reached_at"] for line in lines if line["event"] == "ports not published"] == ["10.9.0.2 tcp/80"]
    known = world.store.get(Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}")
    assert known is not None
    assert [(str(port.target), port.port) for port in known.record.unpublished] == [("10.9.0.2", 80)]
    assert (known.record.published, world.sockets.taken) == ((), set())


def test_the_mtu_of_a_running_network_stays() -> None:
    """Links in containers cannot be changed, so that a change is refused."""
    world = with_container(**{"com.docker.network.driver.mtu": "1400"})
    known = world.store.get(Network, rq.NETWORK_ID)
    assert known is not None
    mode = world.modes["macvlan"]
    with pytest.raises(InvalidRequest, match="links of mode macvlan are in their containers"):
        mode.changed(known.record, replace(known.record, changes={"com.docker.network.driver.mtu": "1300"}))
    assert [child.mtu for child in world.kernel.children.values()] == [1400]


def test_a_record_of_a_parent_closes_no_link_of_the_user() -> None:
    """A network whose options cannot be read any more has no rules about the link that leads to the LAN."""
    world = with_container()
    known = world.store.get(Network, rq.NETWORK_ID)
    assert known is not None
    world.store.transact(Put(replace(known.record, options={**known.record.options, "pynet.newer": "1"})))

    assert kinds(world) == [("NetworkUnclear", False)]
    assert "lan0" not in str(world.nft.elements)


CREATING: dict[str, Callable[[Driver], object]] = {
    "network": lambda driver: driver.create_network(macvlan()),
    "network with a VLAN": lambda driver: driver.create_network(macvlan(parent="lan0.50")),
    "network without a parent": lambda driver: driver.create_network(macvlan(parent="")),
    "endpoint": lambda driver: driver.create_endpoint(rq.endpoint()),
}


def ready_for(name: str) -> World:
    """Return an imaginary host on which the creation may come next."""
    world = on_lan()
    if name == "endpoint":
        world.driver.create_network(macvlan())
    return world


CASES = [(name, step) for name, call in CREATING.items() for step in range(1, ready_for(name).steps_of(call) + 1)]


@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_creation_that_fails_leaves_nothing(name: str, step: int) -> None:
    """Whatever step breaks, the imaginary host is as it was before, and the same call then succeeds."""
    world = ready_for(name)

    fails_and_leaves_nothing(world, CREATING[name], step)


def test_a_vlan_without_a_record_stays_as_long_as_it_carries_links() -> None:
    """After the store is lost, containers go on; what no container is upon goes."""
    world = with_container(parent="lan0.50")
    for kind, key in ((Network, rq.NETWORK_ID), (Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}")):
        world.store.transact(Remove(kind, key))
    again = World(world.kernel, world.nft, world.failing_store)
    again.reconciler.reconcile()
    again.bury()
    assert world.kernel.link_exists("lan0.50")

    world.kernel.children.clear()
    again.reconciler.reconcile()
    again.bury()
    assert not world.kernel.link_exists("lan0.50")
