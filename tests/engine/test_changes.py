"""Changes on running networks and containers, on a real engine: nothing is made anew, and Docker's options stay."""

import pytest

from plugin.model.names import bridge_name
from tests.engine.lab.scene import Container, Scene
from tests.engine.lab.service import command


@pytest.fixture
def pair(pynet_scene: Scene) -> tuple[str, Container, Container]:
    """A network with two containers."""
    net = pynet_scene.network("--subnet", "10.44.0.0/24")
    one, two = pynet_scene.containers(net, 2)
    return net, one, two


def test_icc_and_mtu_of_a_network_change_while_its_containers_run(
    pynet_scene: Scene, pair: tuple[str, Container, Container]
) -> None:
    """With icc off containers no longer reach each other; the MTU changes on both ends of every link; reset undoes."""
    net, one, two = pair
    host = pynet_scene.host
    assert one.reaches(two.ip(net))

    said = command(host, "network", "set", net, "icc=off", "mtu=1400")
    assert "com.docker.network.bridge.enable_icc = false (network change, was true)" in said
    assert not one.reaches(two.ip(net))
    assert "mtu 1400" in one.exec("ip", "link", "show", "eth0")
    identity = host.docker("network", "inspect", "-f", "{{.Id}}", net).strip()
    assert "mtu 1400" in host.exec("ip", "link", "show", bridge_name(identity))

    command(host, "reset", "network", net)
    assert one.reaches(two.ip(net))
    assert "mtu 1500" in two.exec("ip", "link", "show", "eth0")
