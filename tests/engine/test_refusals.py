"""Bad input: the sentence names the value and the rule, and nothing has changed."""

import pytest

from tests.engine.lab.scene import Scene
from tests.engine.lab.snapshot import unchanged


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("com.docker.network.driver.mtu=abc", ["com.docker.network.driver.mtu", "abc"]),
        ("com.docker.network.driver.mtu=-1", ["com.docker.network.driver.mtu", "-1"]),
        (
            "com.docker.network.container_iface_prefix=far-too-long-a-name",
            ["far-too-long-a-name", "1 to 12 characters"],
        ),
        ("pynet.mode=overlay", ["pynet.network=NAME"]),
        ("pynet.network=blue", ["pynet.network", "pynet.mode=overlay"]),
        ("pynet.nonsense=1", ["pynet.nonsense", "pynet.mode"]),
    ],
)
def test_a_bad_option_is_refused(pynet_scene: Scene, option: str, words: list[str]) -> None:
    """The complaint names the option, its value and what would be legal; the host is as before."""
    with unchanged(pynet_scene.host):
        complaint = pynet_scene.refused("-o", option)
    assert all(word in complaint for word in words), complaint


@pytest.mark.parametrize("ipam", ["default", "pynet"])
@pytest.mark.parametrize("taken", ["10.35.0.1", "10.35.0.2"], ids=["gateway", "container"])
def test_a_taken_address_is_refused(pynet_scene: Scene, ipam: str, taken: str) -> None:
    """``--ip`` of an address that somebody has names it; the network works on."""
    net = pynet_scene.network("--ipam-driver", ipam, "--subnet", "10.35.0.0/24")
    pynet_scene.container(net, "--ip", "10.35.0.2")
    with unchanged(pynet_scene.host):
        complaint = pynet_scene.run_fails(net, "--ip", taken)
    if ipam == "pynet":
        assert taken in complaint
    else:
        assert "already in use" in complaint


@pytest.mark.parametrize("ipam", ["default", "pynet"])
def test_an_address_outside_the_pool_is_refused(pynet_scene: Scene, ipam: str) -> None:
    """The complaint names the address."""
    net = pynet_scene.network("--ipam-driver", ipam, "--subnet", "10.35.0.0/24")
    with unchanged(pynet_scene.host):
        assert "10.36.0.5" in pynet_scene.run_fails(net, "--ip", "10.36.0.5")


@pytest.mark.parametrize("ipam", ["default", "pynet"])
def test_a_full_pool_is_refused(pynet_scene: Scene, ipam: str) -> None:
    """When a /30 has no address left the next container is refused, and the first one lives on."""
    net = pynet_scene.network("--ipam-driver", ipam, "--subnet", "10.35.0.0/30")
    first = pynet_scene.container(net)
    with unchanged(pynet_scene.host):
        complaint = pynet_scene.run_fails(net)
    assert "no available" in complaint if ipam == "default" else "10.35.0.0/30" in complaint
    assert first.reaches("10.35.0.1")


def test_a_subnet_of_another_network_is_refused(scene: Scene) -> None:
    """Two networks of one driver cannot have the same subnet; the host is as before."""
    scene.network("--subnet", "10.35.0.0/24")
    with unchanged(scene.host):
        assert "overlap" in scene.refused("--subnet", "10.35.0.0/25")


def test_a_bridge_name_of_another_network_is_refused(scene: Scene) -> None:
    """Two networks cannot share a bridge; the complaint names it."""
    option = ("-o", "com.docker.network.bridge.name=br-mine")
    scene.network(*option)
    with unchanged(scene.host):
        assert "br-mine" in scene.refused(*option)
