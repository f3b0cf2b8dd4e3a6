"""How a network of a driver meets the world: gateway modes, source addresses, adopted bridges, and bad values."""

from functools import partial

import pytest

from tests.engine.lab.host import Host
from tests.engine.lab.outside import HOST4, HOST6, LINK, OUTSIDE4, OUTSIDE6, Outside
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Container, Scene, seen_from
from tests.engine.lab.snapshot import unchanged

BRIDGE = "com.docker.network.bridge."
SUBNET, SUBNET6 = "10.44.0.0/24", "fd00:44::/64"


def only_from_28(scene: Scene) -> None:
    """The built-in driver of 20.10 has no gateway modes; pynet has them with every engine."""
    if scene.driver == "bridge" and not scene.host.engine.at_least_28:
        pytest.skip("the built-in driver has no gateway modes before 27.0")


def server(scene: Scene, outside: Outside, mode: str, *more: str) -> tuple[Container, str]:
    """Start a published echo on a network of both families and of a mode; the outside knows the way."""
    modes = [word for version in (4, 6) for word in ("-o", f"{BRIDGE}gateway_mode_ipv{version}={mode}")]
    net = scene.network("--subnet", SUBNET, "--ipv6", "--subnet", SUBNET6, *modes, *more)
    for subnet in (SUBNET, SUBNET6):
        outside.route(subnet)
    box = scene.container(net, "-p", "8080:7777")
    scene.echo(box, 7777, 7778)
    return box, net


@pytest.fixture(autouse=True)
def unrouted(outside: Outside) -> object:
    """Take the outside's ways to the subnets away after the test."""
    yield
    for subnet in (SUBNET, SUBNET6):
        outside.exec("ip", *(["-6"] if ":" in subnet else []), "route", "flush", subnet)


@pytest.mark.parametrize(
    ("mode", "published", "unpublished", "through_host"),
    [("nat", False, False, True), ("nat-unprotected", True, True, True), ("routed", True, False, False)],
)
def test_direct_access_follows_the_gateway_mode(
    scene: Scene, outside: Outside, mode: str, *, published: bool, unpublished: bool, through_host: bool
) -> None:
    """By the container's own address of either family, to a published and another port, and through the host."""
    only_from_28(scene)
    box, net = server(scene, outside, mode)
    for address in (box.ip(net), box.ip6(net)):
        assert bool(seen_from(outside.exec, address)) is published, address
        assert bool(seen_from(outside.exec, address, "tcp", 7778)) is unpublished, address
    assert bool(seen_from(outside.exec, HOST4, "tcp", 8080)) is through_host


@pytest.mark.parametrize("mode", ["routed", "nat-unprotected"])
def test_an_address_is_reached_on_a_network_that_is_not_the_gateway(
    pynet_scene: Scene, outside: Outside, mode: str
) -> None:
    """Answers leave by the other network, in both families; with 29 the built-in driver does the same."""
    if not pynet_scene.host.engine.at_least_28:
        pytest.skip("a gateway is chosen by priority from 28.0 on")
    modes = [word for version in (4, 6) for word in ("-o", f"{BRIDGE}gateway_mode_ipv{version}={mode}")]
    direct = pynet_scene.network("--subnet", SUBNET, "--ipv6", "--subnet", SUBNET6, *modes)
    gateway = pynet_scene.network("--subnet", "10.45.0.0/24", "--ipv6", "--subnet", "fd00:45::/64")
    for subnet in (SUBNET, SUBNET6):
        outside.route(subnet)
    box = pynet_scene.server(f"name={gateway},gw-priority=1", "--network", f"name={direct}", "-p", "8080:7777")
    for address in (box.ip(direct), box.ip6(direct)):  # before it has a link-local address it asks for no MAC
        wait_until(partial(_answers, outside, address), f"an answer of {address}", 10)
    assert seen_from(outside.exec, HOST4, "tcp", 8080)


def _answers(outside: Outside, address: str) -> bool:
    return bool(seen_from(outside.exec, address))


@pytest.mark.parametrize("mode", ["nat", "routed"])
def test_what_leaves_is_translated_or_not(scene: Scene, outside: Outside, mode: str) -> None:
    """A routed container is seen by its own addresses, another by the host's."""
    only_from_28(scene)
    box, net = server(scene, outside, mode)
    own = (box.ip(net), box.ip6(net))
    assert (box.seen_by(OUTSIDE4), box.seen_by(OUTSIDE6)) == (own if mode == "routed" else (HOST4, HOST6))


def test_an_isolated_network_has_no_address_on_the_host(scene: Scene) -> None:
    """Its containers talk to each other; the bridge has no IPv4 address and the containers no gateway."""
    only_from_28(scene)
    net = scene.network("--internal", "--subnet", SUBNET, "-o", f"{BRIDGE}gateway_mode_ipv4=isolated")
    one, two = scene.containers(net, 2)
    assert one.reaches(two.ip(net))
    assert "10.44.0." not in scene.host.net("ip", "-4", "address")
    assert "default" not in one.exec("ip", "route")


def test_the_source_of_what_leaves_can_be_chosen(scene: Scene, outside: Outside) -> None:
    """The outside sees the address that ``host_ipv4`` names."""
    scene.host.net("ip", "address", "add", "198.51.100.77/24", "dev", LINK)
    try:
        box = scene.container(scene.network("-o", "com.docker.network.host_ipv4=198.51.100.77"))
        assert box.seen_by(OUTSIDE4) == "198.51.100.77"
        assert outside.exec("ping", "-c", "1", HOST4)
    finally:
        scene.host.net("ip", "address", "del", "198.51.100.77/24", "dev", LINK)


def test_the_network_chooses_where_ports_are_published(scene: Scene, outside: Outside) -> None:
    """With ``host_binding_ipv4=127.0.0.1`` a port without an address is the host's alone."""
    scene.server(scene.network("-o", f"{BRIDGE}host_binding_ipv4=127.0.0.1"), "-p", "8080:7777")
    assert seen_from(scene.host.net, "127.0.0.1", "tcp", 8080)
    assert not seen_from(outside.exec, HOST4, "tcp", 8080)


def test_a_trusted_link_reaches_published_ports_directly(scene: Scene, outside: Outside) -> None:
    """By the container's own address, and no other port of it."""
    if scene.driver == "bridge" and not scene.host.engine.at_least_28:
        pytest.skip("the built-in driver knows trusted interfaces from 28.2 on")
    box, net = server(scene, outside, "nat", "-o", f"{BRIDGE}trusted_host_interfaces={LINK}")
    assert seen_from(outside.exec, box.ip(net)) == OUTSIDE4
    assert not seen_from(outside.exec, box.ip(net), "tcp", 7778)


def test_an_external_router_keeps_the_gateway_address(scene: Scene) -> None:
    """With ``inhibit_ipv4`` the bridge has no address, and the container's route points to the gateway."""
    net = scene.network("--subnet", SUBNET, "-o", f"{BRIDGE}inhibit_ipv4=true")
    box = scene.container(net)
    assert "default via 10.44.0.1" in box.exec("ip", "route")
    assert "10.44.0.1" not in scene.host.net("ip", "-4", "address")


@pytest.fixture
def own_bridge(host: Host) -> object:
    """A bridge that the user made."""
    host.net("ip", "link", "add", "br-user", "address", "02:00:00:00:00:77", "type", "bridge")
    yield "br-user"
    host.net("ip", "link", "del", "br-user")


def test_a_bridge_that_exists_is_used_and_kept(scene: Scene, outside: Outside, own_bridge: str) -> None:
    """It carries the network, and outlives it; published ports and the way out work as on any other."""
    net = scene.network("-o", f"{BRIDGE}name={own_bridge}", "--subnet", SUBNET)
    box = scene.server(net, "-p", "8080:7777")
    assert box.seen_by(OUTSIDE4) == HOST4
    assert seen_from(outside.exec, HOST4, "tcp", 8080) == OUTSIDE4
    scene.close()
    assert own_bridge in scene.host.net("ip", "-o", "link", "show", "type", "bridge")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("name=a-name-far-too-long", "15 bytes"),
        ("name=lo", "not a bridge"),
        ("gateway_mode_ipv4=isolated", "--internal"),
        ("gateway_mode_ipv6=magic", "nat, nat-unprotected, routed or isolated"),
        ("enable_icc=perhaps", "true or false"),
        ("enable_ip_masquerade=perhaps", "true or false"),
        ("inhibit_ipv4=perhaps", "true or false"),
        ("host_binding_ipv4=perhaps", "an IP address"),
        ("trusted_host_interfaces=a b", "names of links"),
    ],
)
def test_a_bad_value_is_refused(pynet_scene: Scene, option: str, words: str) -> None:
    """The complaint says what would be legal; the host is as before."""
    with unchanged(pynet_scene.host):
        complaint = pynet_scene.refused("-o", BRIDGE + option)
    assert words in complaint
    assert option.partition("=")[0] in complaint
