"""Mode lan: what it refuses, what it wants, and what it leaves alone."""

from dataclasses import replace
from ipaddress import IPv4Interface, ip_interface, ip_network

import pytest

from plugin.errors import Conflict, InvalidRequest, PynetError, Unsupported
from plugin.firewall import sets
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network, NetworkSubnet
from plugin.path.model import Surroundings
from plugin.path.walk import path
from plugin.protocol.messages import CreateNetwork, NetworkRef
from plugin.protocol.path_messages import question
from tests.fakes import World
from tests.unit import requests as rq

ICMP_ALONE = {"pynet.egress": "deny", "pynet.allow_out": "icmp"}
BRIDGE, MAC = "br0", "52:54:00:00:00:05"
PORT = host_link_name(rq.ENDPOINT_ID)
KEY = "com.docker.network.bridge."


@pytest.fixture
def world() -> World:
    """A host with a bridge br0, a bridge of Docker's, and a plain link."""
    world = World()
    for name in (BRIDGE, "docker0", "pn-0123456789ab"):
        world.kernel.add_bridge(name, MAC, 1500)
        world.kernel.change(name, group=0)
    world.kernel.add_link("eth0", "", 0)
    return world


def lan(*gateways: str, **options: str) -> CreateNetwork:
    """Return a request for a network on br0; the keys of ``options`` have no beginning."""
    own = {"parent": BRIDGE, "pynet.mode": "lan"}
    own |= {key.replace("__", "."): value for key, value in options.items()}
    return rq.network(rq.NETWORK_ID, *gateways, options={key: value for key, value in own.items() if value})


REFUSED = {  # what a user may get wrong, and a part of the sentence that tells it
    "no bridge": ({"parent": ""}, "needs one bridge of yours: -o parent=br0"),
    "two bridges": ({f"{KEY}name": "br1"}, "not both br0 and br1"),
    "a missing bridge": ({"parent": "br7"}, "there is no bridge 'br7' on this host"),
    "no bridge at all": ({"parent": "eth0"}, "'eth0' is no bridge: for a plain link use -o pynet.mode=macvlan"),
    "a bridge of Docker": ({"parent": "docker0"}, "'docker0' belongs to a network of Docker"),
    "a bridge of pynet": ({"parent": "pn-0123456789ab"}, "'pn-0123456789ab' belongs to a network of Docker"),
    "a bad name": ({"parent": "a/b"}, "option 'parent' must be"),
    "VLANs on a bridge without": ({"pynet.vlan": "50"}, "ip link set br0 type bridge vlan_filtering 1"),
    "tags and the guard": ({"pynet.vlans": "50,60"}, "the guard lets no frame with a tag pass; add -o pynet.guard=off"),
    "a VLAN twice": ({"pynet.vlan": "50", "pynet.vlans": "50"}, "frames of VLAN 50 cannot have a tag and none"),
    "no VLAN": ({"pynet.vlan": "4095"}, "option 'pynet.vlan' must be a number from 1 to 4094, not '4095'"),
    "no VLANs": ({"pynet.vlans": "50,,60"}, "option 'pynet.vlans' must be different numbers from 1 to 4094"),
    "one VLAN two times": ({"pynet.vlans": "50,50"}, "option 'pynet.vlans' must be different numbers from 1 to 4094"),
    "too large packets": ({"com.docker.network.driver.mtu": "9000"}, "9000 bytes are more than the 1500 of 'br0'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_a_sentence(world: World, case: str) -> None:
    """Nothing is made, stored or changed, and the text names the option or the link."""
    options, sentence = REFUSED[case]
    before = world.snapshot()
    request = lan()
    wrong = replace(request, options=replace(request.options, generic={**request.options.generic, **options}))

    with pytest.raises(InvalidRequest) as refused:
        world.driver.create_network(wrong)
    assert sentence in str(refused.value)
    assert world.snapshot() == before


def test_a_container_is_a_guest_in_the_bridge(world: World) -> None:
    """Its port has a MAC above those of hardware and the MTU of the bridge; the bridge stays as it was."""
    before = world.kernel.by_name[BRIDGE]
    world.driver.create_network(lan("192.168.1.1/24"))
    world.driver.create_endpoint(rq.endpoint("192.168.1.20/24"))

    port = world.kernel.by_name[PORT]
    assert (port.mac[:6], port.mtu, port.master) == ("fe:ff:", 1500, before.index)
    assert world.kernel.by_name[BRIDGE] == before
    assert world.kernel.assigned == set()
    assert world.kernel.settings["net/ipv4/ip_forward"] == "0"


def test_the_container_gets_the_gateway_that_the_user_gave(world: World) -> None:
    """Join names it and keeps the engine's own bridge away; an internal network has none."""
    world.driver.create_network(lan("192.168.1.1/24", "192.168.2.1/24"))
    world.driver.create_endpoint(rq.endpoint("192.168.2.20/24"))
    reply = world.driver.join(rq.join())

    assert (str(reply.gateway), reply.gateway_ipv6, reply.disable_gateway_service) == ("192.168.2.1", None, True)
    world.driver.delete_network(NetworkRef(rq.NETWORK_ID))
    world.driver.create_network(replace(lan("192.168.1.1/24"), options=replace(lan().options, internal=True)))
    world.driver.create_endpoint(rq.endpoint("192.168.1.20/24"))
    assert world.driver.join(rq.join()).gateway is None


def test_removal_takes_the_rules_and_leaves_the_bridge(world: World) -> None:
    """After the network, nothing of it is in the tables or among the links."""
    before = world.snapshot()
    world.driver.create_network(lan("192.168.1.1/24"))
    world.driver.create_endpoint(rq.endpoint("192.168.1.20/24"))
    assert (sets.LANS.name, f'"{BRIDGE}" . "{BRIDGE}"') in world.nft.elements
    world.driver.delete_network(NetworkRef(rq.NETWORK_ID))
    world.bury()

    assert world.snapshot() == before


def test_vlans_are_refused_where_the_kernel_has_none(world: World) -> None:
    """The text names the feature."""
    world.kernel.kinds_it_lacks.add("vlan_filtering")

    with pytest.raises(Unsupported, match=r"option 'pynet\.vlan': look at the VLANs of bridge 'br0'"):
        world.driver.create_network(lan("192.168.1.1/24", **{"pynet.vlan": "50"}))


def test_ports_are_in_their_vlans_and_no_others(world: World) -> None:
    """A changed VLAN is repaired; a bridge that its user made mix all of them is told, and not touched."""
    world.kernel.telling.add(BRIDGE)
    options = {"pynet.vlan": "50", "pynet.vlans": "70,60", "pynet.guard": "off"}
    world.driver.create_network(lan("192.168.1.1/24", **options))
    world.driver.create_endpoint(rq.endpoint("192.168.1.20/24"))
    assert world.kernel.tags[PORT] == {50: 6, 60: 0, 70: 0}

    world.kernel.tags[PORT] = {1: 6}
    assert [repair.kind for repair in world.reconciler.reconcile()] == ["PortChanged"]
    assert world.kernel.tags[PORT] == {50: 6, 60: 0, 70: 0}
    world.kernel.telling.clear()
    world.reconciler.reconcile()
    [mixed] = world.reconciler.status().failing
    assert "ip link set br0 type bridge vlan_filtering 1" in mixed.error


@pytest.mark.parametrize("first", ["lan", "bridge"])
def test_a_bridge_is_no_lan_and_network_of_its_own_at_once(world: World, first: str) -> None:
    """Bridge mode, which makes the host its gateway, and mode lan do not share a bridge."""
    own = rq.network(rq.OTHER_ID, options={f"{KEY}name": BRIDGE})
    requests = [lan("192.168.1.1/24"), own] if first == "lan" else [own, lan("192.168.1.1/24")]
    world.driver.create_network(requests[0])

    with pytest.raises(Conflict, match=f"link '{BRIDGE}' belongs to network"):
        world.driver.create_network(requests[1])


def test_links_of_macvlan_may_be_upon_the_bridge(world: World) -> None:
    """A bridge is a parent like any other link, and its ports do not care."""
    world.driver.create_network(lan("192.168.1.1/24"))
    beside = {"pynet.mode": "macvlan", "parent": BRIDGE}
    world.driver.create_network(rq.network(rq.OTHER_ID, "192.168.1.1/24", options=beside))

    assert world.store.get(Network, rq.OTHER_ID) is not None


def test_whatever_step_fails_nothing_is_left(world: World) -> None:
    """Of a network, and of an endpoint."""
    for step in range(1, 40):
        before = world.snapshot()
        try:
            driver = world.failing_at(step)
            driver.create_network(lan("192.168.1.1/24"))
            driver.create_endpoint(rq.endpoint("192.168.1.20/24"))
        except PynetError:
            world.healed()
            if world.store.get(Network, rq.NETWORK_ID):
                world.driver.delete_network(NetworkRef(rq.NETWORK_ID))
            world.bury()
            assert world.snapshot() == before
        else:
            return
    raise AssertionError("no attempt got through")


FRIEND, GUEST = "e" * 64, "f" * 64
WAYS = {  # the ends and the service of a packet, the step that decides, and a part of its text
    "a neighbour": ((GUEST, FRIEND, "tcp/22"), "delivery", "bridge 'br0' delivers it to endpoint"),
    "the host": ((GUEST, "host", "tcp/22"), "delivery", "bridge 'br0' delivers it to the host (192.168.1.5)"),
    "a machine of the LAN": ((GUEST, "192.168.1.9", "tcp/22"), "delivery", "the LAN of bridge 'br0' delivers it"),
    "a machine elsewhere": ((GUEST, "192.0.2.9", "tcp/22"), "route", "it goes to 192.168.1.1, a router of the LAN"),
    "a policy of the sender": ((FRIEND, "192.168.1.9", "tcp/22"), "egress", "no entry of pynet.allow_out"),
    "an allowed neighbour": ((FRIEND, GUEST, "icmp"), "delivery", "bridge 'br0' delivers it to endpoint"),
}


@pytest.mark.parametrize("case", WAYS)
def test_a_path_leads_over_the_bridge(case: str) -> None:
    """Rules judge at the ports, the bridge and the LAN do the rest, and the host routes nothing."""
    (start, end, service), decides, text = WAYS[case]
    subnet = NetworkSubnet(ip_network("192.168.1.0/24"), ip_interface("192.168.1.1/24"))
    network = Network("a" * 64, "lan", BRIDGE, owns_link=False, subnets=(subnet,), host_gateway=False)
    ends = [
        Endpoint(GUEST, network.id, "02:00:00:00:00:01", IPv4Interface("192.168.1.20/24")),
        Endpoint(FRIEND, network.id, "02:00:00:00:00:02", IPv4Interface("192.168.1.21/24"), driver_opts=ICMP_ALONE),
    ]
    facts = Surroundings({network.id: network}, ends, [(BRIDGE, ip_interface("192.168.1.5/24"))])
    names = [f"endpoints:{each}" if len(each) == len(GUEST) else each for each in (start, end)]

    answer = path(question(names[0], names[1], service), facts)
    assert (answer.deciding.by, text in answer.deciding.text) == (decides, True), answer
