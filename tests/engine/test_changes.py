"""Changes on running networks and containers, on a real engine: nothing is made anew, and Docker's options stay."""

import pytest

from plugin.model.names import bridge_name
from tests.engine.lab.scene import Container, Scene, seen_from
from tests.engine.lab.service import Pynet, command
from tests.engine.lab.shell import CommandFailed


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


def test_ports_are_published_and_withdrawn_while_the_container_runs(pynet_scene: Scene, pynet: Pynet) -> None:
    """A port is reached from the host at once, stays over a restart of pynet, and is gone after it is withdrawn."""
    host, net = pynet_scene.host, pynet_scene.network("--subnet", "10.45.0.0/24")
    web = pynet_scene.container(net, "-p", "8090:80")
    pynet_scene.echo(web, 81)

    said = command(host, "publish", web.name, "8091:81", "127.0.0.1:8092:81/tcp")
    assert f"published: 0.0.0.0:8091 -> {web.ip(net)}:81/tcp" in said.splitlines()
    assert seen_from(host.net, "127.0.0.1", port=8091)
    command(host, "unpublish", web.name, "8090")
    pynet.restart()
    assert seen_from(host.net, "127.0.0.1", port=8092)
    assert command(host, "ports", web.name).splitlines() == [
        "81/tcp -> 0.0.0.0:8091",
        "81/tcp -> [::]:8091",
        "81/tcp -> 127.0.0.1:8092",
    ]
    with pytest.raises(CommandFailed, match=r"8091/tcp on .*already allocated, to "):
        command(host, "publish", web.name, "8091:80")
    command(host, "reset", "endpoint", web.name)
    assert command(host, "ports", web.name).splitlines() == ["80/tcp -> 0.0.0.0:8090", "80/tcp -> [::]:8090"]
