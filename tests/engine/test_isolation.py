"""Isolation between networks, internal networks and the outside world."""

from collections.abc import Iterator

import pytest

from tests.engine.lab.outside import HOST4, HOST6, OUTSIDE4, OUTSIDE6, PORT, Outside
from tests.engine.lab.scene import Container, Scene

pytestmark = pytest.mark.usefixtures("outside")
INTERNAL = "10.32.0.0/24"


@pytest.fixture(params=["docker0", "user-bridge"])
def neighbour(request: pytest.FixtureRequest, scene: Scene) -> tuple[str, Container]:
    """A container on a network of Docker's own bridge driver: the default one, or a user's."""
    net = "bridge" if request.param == "docker0" else scene.network(driver="bridge")
    return net, scene.container(net)


@pytest.fixture
def routed(outside: Outside) -> Iterator[None]:
    """The outside knows the way to the internal network's subnet."""
    outside.route(INTERNAL)
    yield
    outside.unroute(INTERNAL)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_traffic_to_the_outside_leaves_with_the_hosts_address(scene: Scene, kind: str) -> None:
    """The outside knows no way to container subnets, so an answer proves that the source was replaced."""
    one = scene.container(scene.network())
    assert one.seen_by(OUTSIDE4, kind) == HOST4


def test_ipv6_traffic_to_the_outside_leaves_with_the_hosts_address(scene: Scene) -> None:
    """The same for IPv6; the built-in driver does that from 27.0 on."""
    if scene.driver == "bridge" and not scene.host.engine.at_least_28:
        pytest.skip("the built-in driver left IPv6 alone before 27.0")
    one = scene.container(scene.network("--ipv6", "--subnet", "fd00:32::/64"))
    assert one.seen_by(OUTSIDE6) == HOST6


def test_masquerading_can_be_switched_off(scene: Scene, outside: Outside) -> None:
    """Without it the outside sees the container's own address, when it knows the way back."""
    if scene.driver == "bridge" and scene.host.engine.at_least_28:
        pytest.skip("from 28.0 on the built-in driver drops what comes for a container's own address")
    net = scene.network("-o", "com.docker.network.bridge.enable_ip_masquerade=false", "--subnet", "10.33.0.0/24")
    one = scene.container(net)
    outside.route("10.33.0.0/24")
    try:
        assert one.seen_by(OUTSIDE4) == one.ip(net)
    finally:
        outside.unroute("10.33.0.0/24")


@pytest.mark.usefixtures("routed")
def test_an_internal_network_has_no_way_out_and_no_way_in(scene: Scene, outside: Outside) -> None:
    """Members talk to each other; nothing beyond the host answers, and the outside cannot come in even with a route."""
    net = scene.network("--internal", "--subnet", INTERNAL)
    one, two = scene.containers(net, 2)
    assert one.reaches(two.name)
    one.net("ip", "route", "replace", "default", "dev", "eth0")
    assert one.seen_by(OUTSIDE4) == ""
    assert not one.reaches(OUTSIDE4)
    with pytest.raises(AssertionError, match="100% packet loss"):
        outside.exec("ping", "-c", "2", "-i", "0.2", "-W", "1", one.ip(net))


def test_two_networks_of_a_driver_do_not_reach_each_other(scene: Scene) -> None:
    """Neither by ping nor by TCP, in either direction."""
    left, right = scene.network(), scene.network()
    one, two = scene.container(left), scene.container(right)
    for box, target in ((one, two.ip(right)), (two, one.ip(left))):
        assert not box.reaches(target)
        assert "refused" not in _complaint(box, target)


def test_a_network_does_not_reach_those_of_the_built_in_driver(scene: Scene, neighbour: tuple[str, Container]) -> None:
    """Neither docker0 nor a user's bridge network can be reached, nor reach us."""
    built_in, there = neighbour
    net = scene.network()
    here = scene.container(net)
    for box, target in ((here, there.ip(built_in)), (there, here.ip(net))):
        assert not box.reaches(target)
        assert "refused" not in _complaint(box, target)


def test_icc_can_be_switched_off(scene: Scene) -> None:
    """With ``enable_icc=false`` containers of one network do not reach each other, but the gateway."""
    net = scene.network("-o", "com.docker.network.bridge.enable_icc=false", "--subnet", "10.34.0.0/24")
    one, two = scene.containers(net, 2)
    assert not one.reaches(two.ip(net))
    assert one.reaches("10.34.0.1")


def _complaint(box: Container, target: str) -> str:
    """What a TCP connection to a closed port says: "refused" means that the packet arrived."""
    with pytest.raises(AssertionError) as failure:
        box.exec("nc", "-w", "1", target, str(PORT))
    return str(failure.value)
