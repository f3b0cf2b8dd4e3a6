"""Which addresses a network and its containers get."""

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from tests.engine.lab.scene import Scene

V4, V6 = "10.31.0.0/24", "fd00:31::/64"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--subnet", V4), id="ipv4"),
        pytest.param(("--ipv6", "--subnet", V6), id="ipv6-and-default-ipv4"),
        pytest.param(("--ipv6", "--subnet", V4, "--subnet", V6), id="dual-stack"),
    ],
)
def test_containers_talk_over_every_family_of_the_network(scene: Scene, arguments: tuple[str, ...]) -> None:
    """Each family that was asked for gives an address of its subnet, a default route, and reachability."""
    net = scene.network(*arguments)
    one, two = scene.containers(net, 2)
    assert one.reaches(two.ip(net))
    assert "default via" in one.exec("ip", "route")
    if "--ipv6" in arguments:
        assert ip_address(one.ip6(net)) in ip_network(V6)
        assert one.reaches(two.ip6(net))
        assert "default via" in one.exec("ip", "-6", "route")


def test_ipv6_only(scene: Scene) -> None:
    """With ``--ipv4=false`` there is no IPv4 address at all, and IPv6 works."""
    if not scene.host.engine.at_least_28:
        pytest.skip("--ipv4=false came with 28.0")
    net = scene.network("--ipv4=false", "--ipv6")
    one, two = scene.containers(net, 2)
    assert one.ip(net) == ""
    assert "inet " not in one.exec("ip", "address", "show", "eth0")
    assert one.reaches(two.ip6(net))
    assert two.reaches(one.name)


@pytest.mark.parametrize(
    ("first", "second"),
    [("10.31.1.0/24", "10.31.2.0/24"), ("fd00:31:1::/64", "fd00:31:2::/64")],
    ids=["ipv4", "ipv6"],
)
def test_several_subnets_of_a_family_are_refused(scene: Scene, first: str, second: str) -> None:
    """A bridge network has one subnet a family; a second is refused and nothing is left."""
    ipv6 = ["--ipv6"] if ":" in first else []
    assert "subnet" in scene.refused(*ipv6, "--subnet", first, "--subnet", second)


def test_chosen_addresses_are_given(scene: Scene) -> None:
    """``--ip``, ``--ip6`` and ``--mac-address`` are what the container then has."""
    net = scene.network("--ipv6", "--subnet", V4, "--subnet", V6)
    wish = ("--ip", "10.31.0.77", "--ip6", "fd00:31::77", "--mac-address", "02:aa:bb:cc:dd:01")
    one, two = scene.container(net, *wish), scene.container(net)
    inside = one.exec("ip", "address", "show", "eth0")
    for fact in ("10.31.0.77/24", "fd00:31::77/64", "02:aa:bb:cc:dd:01"):
        assert fact in inside
    assert two.reaches("10.31.0.77")
    assert two.reaches("fd00:31::77")


def test_addresses_come_from_the_ip_range(scene: Scene) -> None:
    """``--ip-range`` limits what is handed out, not the prefix length of what is."""
    net = scene.network("--subnet", V4, "--ip-range", "10.31.0.128/30", "--gateway", "10.31.0.254")
    boxes = scene.containers(net, 3)
    addresses = {ip_interface(box.endpoint(net)["IPAddress"] + "/24") for box in boxes}
    assert len(addresses) == 3
    assert all(address.ip in ip_network("10.31.0.128/30") for address in addresses)
    assert "10.31.0.0/24" in boxes[0].exec("ip", "route")


def test_the_chosen_gateway_is_the_default_route(scene: Scene) -> None:
    """``--gateway`` answers pings and is the way out of each container."""
    net = scene.network("--subnet", V4, "--gateway", "10.31.0.200")
    one = scene.container(net)
    assert "default via 10.31.0.200 dev eth0" in one.exec("ip", "route")
    assert one.reaches("10.31.0.200")


def test_auxiliary_addresses_are_kept_free(scene: Scene) -> None:
    """``--aux-address`` reserves an address; containers get the others."""
    aux = ("--aux-address", "printer=10.31.0.2", "--aux-address", "router=10.31.0.3")
    net = scene.network("--subnet", "10.31.0.0/29", *aux)
    addresses = {box.ip(net) for box in scene.containers(net, 3)}
    assert addresses == {"10.31.0.4", "10.31.0.5", "10.31.0.6"}
    assert "10.31.0.2" not in addresses


@pytest.mark.parametrize("ipam", ["default", "pynet"])
def test_thirty_containers_started_at_once_get_thirty_addresses(pynet_scene: Scene, ipam: str) -> None:
    """None fails and no two share an address, and the first reaches the last."""
    net = pynet_scene.network("--ipam-driver", ipam)
    boxes = pynet_scene.containers(net, 30)
    seen = pynet_scene.host.docker.inspect("network", net)["Containers"].values()
    assert len({entry["IPv4Address"] for entry in seen}) == 30
    assert len({entry["MacAddress"] for entry in seen}) == 30
    assert boxes[0].reaches(boxes[-1].name)


def test_an_address_is_free_again_after_its_container_went(scene: Scene) -> None:
    """In a /30 with one address to give, one container after the other gets it."""
    net = scene.network("--subnet", "10.31.0.0/30")
    for _ in range(3):
        assert scene.container(net).ip(net) == "10.31.0.2"
        scene.clear()
