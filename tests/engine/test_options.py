"""Options of networks and containers that Docker's bridge driver knows."""

from tests.engine.lab.scene import Scene
from tests.engine.lab.snapshot import unchanged

MTU = "com.docker.network.driver.mtu"
PREFIX = "com.docker.network.container_iface_prefix"
NAME = "com.docker.network.bridge.name"


def test_the_mtu_holds_on_both_ends(scene: Scene) -> None:
    """The container's link has it, and so does the host's end of the pair: a packet of that size passes, unsplit."""
    net = scene.network("-o", f"{MTU}=1400")
    one, two = scene.containers(net, 2)
    assert "mtu 1400" in one.exec("ip", "link", "show", "eth0")
    links = scene.host.net("ip", "-o", "link", "show", "type", "veth").splitlines()
    ends = [link for link in links if " master " in link]
    assert len(ends) == 2
    assert all("mtu 1400" in end for end in ends)
    assert one.reaches(two.ip(net))


def test_an_internal_network_takes_packets_above_64_kb(pynet_scene: Scene) -> None:
    """By default the containers' links take them after the engine has moved them; `docker inspect` shows no option."""
    net = pynet_scene.network("--internal")
    one, two = pynet_scene.containers(net, 2)
    ends = [one.net("ip", "-d", "link", "show", "eth0"), two.net("ip", "-d", "link", "show", "eth0")]
    assert all("gso_max_size 196608" in end and "gro_max_size 196608" in end for end in ends)
    assert pynet_scene.host.api.call("GET", f"/networks/{net}")["Options"] == {}
    assert one.reaches(two.name)
    small, _ = pynet_scene.containers(pynet_scene.network(), 2)
    assert "gso_max_size 65536" in small.net("ip", "-d", "link", "show", "eth0")


def test_the_prefix_of_interface_names_is_the_users(scene: Scene) -> None:
    """Links inside the container are called ``lan0``, not ``eth0``."""
    net = scene.network("-o", f"{PREFIX}=lan")
    one, two = scene.containers(net, 2)
    assert "lan0" in one.exec("ip", "link")
    assert "eth0" not in one.exec("ip", "link")
    assert one.reaches(two.name)


def test_the_bridge_is_called_as_the_user_says(scene: Scene) -> None:
    """The bridge has the chosen name while the network lives, and another one is gone after its network."""
    net = scene.network("-o", f"{NAME}=br-mine")
    assert "br-mine" in scene.host.net("ip", "-o", "link", "show", "type", "bridge")
    with unchanged(scene.host):
        scene.remove(scene.network("-o", f"{NAME}=br-mine2"))
    assert net in scene.host.docker("network", "ls", "--format", "{{.Name}}")


def test_options_of_others_are_ignored(scene: Scene) -> None:
    """A key that nobody knows is no error, as with the built-in driver, so that any Compose file works."""
    net = scene.network("-o", "org.example.colour=green")
    assert scene.host.docker.inspect("network", net)["Options"] == {"org.example.colour": "green"}
