"""New in Engine 28.0: two gateways, their priority, sysctls of an endpoint, no gateway where none is needed."""

from collections.abc import Iterator

import pytest

from tests.engine.lab.host import Host
from tests.engine.lab.outside import HOST4, HOST6, OUTSIDE4, OUTSIDE6, Outside
from tests.engine.lab.scene import Container, Scene, seen_from
from tests.engine.lab.service import second
from tests.engine.lab.snapshot import unchanged

FOUR, SIX = "10.61.0.0/24", "fd00:61::/64"
OTHER4 = "10.62.0.0/24"


@pytest.fixture(autouse=True)
def only_from_28(host: Host) -> None:
    """Older engines refuse the flags."""
    if not host.engine.at_least_28:
        pytest.skip("these flags came with Engine 28.0")


def routes(box: Container, version: int) -> str:
    """The default route of a family."""
    return box.exec("ip", f"-{version}", "route", "show", "default")


def test_an_ipv6_only_network_publishes_ports(scene: Scene, outside: Outside) -> None:
    """By the host's IPv6 address, and the container reaches the outside by it."""
    box = scene.server(scene.network("--ipv4=false", "--ipv6", "--subnet", SIX), "-p", "8080:7777")
    assert seen_from(outside.exec, HOST6, "tcp", 8080) == OUTSIDE6
    assert box.seen_by(OUTSIDE6) == HOST6
    assert box.seen_by(OUTSIDE4) == ""


def test_each_family_has_a_gateway_of_its_own(scene: Scene, outside: Outside) -> None:
    """A container of an IPv4 and of an IPv6 network goes out by both, and its port is published on both."""
    four, six = scene.network("--subnet", FOUR), scene.network("--ipv4=false", "--ipv6", "--subnet", SIX)
    box = scene.container(four, "--network", six, "-p", "8080:7777")
    scene.echo(box)
    assert "via 10.61.0.1" in routes(box, 4)
    assert "via fd00:61::1" in routes(box, 6)
    assert (box.seen_by(OUTSIDE4), box.seen_by(OUTSIDE6)) == (HOST4, HOST6)
    assert seen_from(outside.exec, HOST4, "tcp", 8080) == OUTSIDE4
    assert seen_from(outside.exec, HOST6, "tcp", 8080) == OUTSIDE6


def test_ports_move_with_the_gateway_of_a_family(scene: Scene, outside: Outside) -> None:
    """A network that brings IPv6 takes that half of the published port, and gives it back when it leaves."""
    four = scene.network("--subnet", FOUR)
    six = scene.network("--ipv4=false", "--ipv6", "--subnet", SIX)
    box = scene.server(four, "-p", "8080:7777")
    for verb in ("connect", "disconnect"):
        with_six = verb == "connect"
        scene.host.docker("network", verb, six, box.name)
        assert bool(routes(box, 6)) is with_six
        assert seen_from(outside.exec, HOST4, "tcp", 8080) == OUTSIDE4
        assert bool(seen_from(outside.exec, HOST6, "tcp", 8080)), verb


@pytest.mark.parametrize("preferred", ["four", "six", "both"])
def test_every_order_of_joining_publishes_both_families(scene: Scene, outside: Outside, preferred: str) -> None:
    """On three networks at once, whichever is preferred; the engine joins them in an order of its own."""
    nets = {
        "four": scene.network("--subnet", FOUR),
        "six": scene.network("--ipv4=false", "--ipv6", "--subnet", SIX),
        "both": scene.network("--ipv6", "--subnet", OTHER4, "--subnet", "fd00:62::/64"),
    }
    for _ in range(2):
        asked = [f"name={net},gw-priority={int(name == preferred)}" for name, net in nets.items()]
        scene.server(asked[0], "--network", asked[1], "--network", asked[2], "-p", "8080:7777")
        assert seen_from(outside.exec, HOST4, "tcp", 8080) == OUTSIDE4
        assert seen_from(outside.exec, HOST6, "tcp", 8080) == OUTSIDE6
        scene.clear()


def test_a_routed_network_is_open_without_being_the_gateway(pynet_scene: Scene, outside: Outside) -> None:
    """At its own address, as with ``bridge`` from Engine 29 on; answers leave by the gateway, whose guard lets them."""
    routed = pynet_scene.network("--subnet", FOUR, "-o", "com.docker.network.bridge.gateway_mode_ipv4=routed")
    gateway = pynet_scene.network("--subnet", OTHER4, "-o", f"pynet.guard_allow={FOUR}")
    box = pynet_scene.server(f"name={gateway},gw-priority=1", "--network", routed, "-p", "8080:7777")
    outside.route(FOUR)
    try:
        assert seen_from(outside.exec, HOST4, "tcp", 8080) == OUTSIDE4
        assert seen_from(outside.exec, box.ip(routed), "tcp", 7777) == OUTSIDE4
    finally:
        outside.unroute(FOUR)


def test_the_priority_chooses_the_gateway(scene: Scene, outside: Outside) -> None:
    """The default route and the published port are the network's with the higher priority, and move back."""
    low, high = scene.network("--subnet", FOUR), scene.network("--subnet", OTHER4)
    box = scene.server(low, "-p", "8080:7777")
    assert "via 10.61.0.1" in routes(box, 4)
    scene.host.docker("network", "connect", "--gw-priority", "5", high, box.name)
    assert "via 10.62.0.1" in routes(box, 4)
    assert {port.host_port for port in scene.ports(box)} == {8080}
    assert seen_from(outside.exec, HOST4, "tcp", 8080) == OUTSIDE4
    scene.host.docker("network", "disconnect", high, box.name)
    assert "via 10.61.0.1" in routes(box, 4)
    assert seen_from(outside.exec, HOST4, "tcp", 8080) == OUTSIDE4


def test_a_lower_priority_leaves_the_gateway_alone(scene: Scene) -> None:
    """Whatever comes later."""
    net, later = scene.network("--subnet", FOUR), scene.network("--subnet", OTHER4)
    box = scene.container(f"name={net},gw-priority=1")
    scene.host.docker("network", "connect", later, box.name)
    assert "via 10.61.0.1" in routes(box, 4)


def test_sysctls_of_an_endpoint_are_set(scene: Scene) -> None:
    """The engine writes them in the container, and the driver that it passes them on to lets it."""
    net = scene.network("--subnet", FOUR)
    wish = "com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1"
    box = scene.container(f"name={net},driver-opt={wish}")
    assert box.exec("cat", "/proc/sys/net/ipv4/conf/eth0/log_martians") == "1"


@pytest.fixture
def checking(host: Host) -> Iterator[Scene]:
    """A scene of a second pynet with the setting as it is by default: asked before a gateway is reserved."""
    plugin = second(host, "pynet-asks")
    plugin.start()
    scene = Scene(host, plugin.name)
    yield scene
    scene.close()
    plugin.stop()


def test_an_isolated_network_reserves_no_gateway(checking: Scene) -> None:
    """Its first container gets the first address; other networks have a gateway."""
    isolated = ("-o", "com.docker.network.bridge.gateway_mode_ipv4=isolated")
    net = checking.network("--internal", "--subnet", FOUR, *isolated)
    assert checking.container(net).ip(net) == "10.61.0.1"
    assert "via 10.62.0.1" in routes(checking.container(checking.network("--subnet", OTHER4)), 4)


def test_two_containers_fill_a_network_of_two_addresses(checking: Scene) -> None:
    """Both addresses of an internal, isolated /31 are for containers, as with ``bridge``."""
    isolated = ("-o", "com.docker.network.bridge.gateway_mode_ipv4=isolated")
    net = checking.network("--internal", "--subnet", "10.61.0.0/31", *isolated)
    boxes = [checking.container(net) for _ in range(2)]
    assert sorted(box.ip(net) for box in boxes) == ["10.61.0.0", "10.61.0.1"]
    assert boxes[0].reaches(boxes[1].ip(net))


def test_a_bad_option_takes_no_address(checking: Scene) -> None:
    """It is refused before the address manager is asked, so nothing has to be given back."""
    with unchanged(checking.host):
        assert "true or false" in checking.refused("-o", "com.docker.network.bridge.enable_icc=perhaps")
