"""Bad input: the sentence names the value and the rule, and nothing has changed."""

import pytest

from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Scene
from tests.engine.lab.snapshot import unchanged


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("com.docker.network.driver.mtu=abc", ["com.docker.network.driver.mtu", "abc"]),
        ("com.docker.network.driver.mtu=-1", ["com.docker.network.driver.mtu", "-1"]),
        (
            "com.docker.network.container_iface_prefix=far-too-long-a-name",
            ["far-too-long-a-name", "1 to 12 bytes"],
        ),
        ("com.docker.network.bridge.name=a%d", ["com.docker.network.bridge.name", "a%d"]),
        ("com.docker.network.host_ipv6=fe80::1%eth0", ["com.docker.network.host_ipv6", "fe80::1%eth0"]),
        ("com.docker.network.host_ipv4=224.0.0.1", ["com.docker.network.host_ipv4", "unicast"]),
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


def test_a_taken_mac_is_refused(pynet_scene: Scene) -> None:
    """``--mac-address`` of a running neighbour names it; ended, its MAC is free."""
    net, mac = pynet_scene.network("--subnet", "10.35.0.0/24"), "02:42:0a:23:00:77"
    first = pynet_scene.container(net, "--mac-address", mac)
    with unchanged(pynet_scene.host):
        complaint = pynet_scene.run_fails(net, "--mac-address", mac)
    assert f"MAC address '{mac}' is already in use" in complaint
    pynet_scene.host.docker("rm", "-f", first.name)
    assert pynet_scene.container(net, "--mac-address", mac).reaches("10.35.0.1")


@pytest.mark.parametrize("ipam", ["default", "pynet"])
@pytest.mark.parametrize("subnet", ["127.5.0.0/16", "224.5.0.0/16"])
def test_a_subnet_of_no_hosts_is_refused(pynet_scene: Scene, ipam: str, subnet: str) -> None:
    """With ``bridge`` the network is made and no container starts."""
    with unchanged(pynet_scene.host):
        complaint = pynet_scene.refused("--ipam-driver", ipam, "--subnet", subnet)
    assert subnet in complaint
    assert "which no container can use" in complaint


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


def test_a_taken_port_names_the_container_that_has_it(pynet_scene: Scene) -> None:
    """By the name that its user gave it, a moment after it has started, and with the address and the port."""
    if ":" in pynet_scene.driver:
        pytest.skip("a managed plugin does not see the engine's socket, and names the endpoint")
    net = pynet_scene.network()
    first = pynet_scene.container(net, "-p", "127.0.0.1:8199:80")
    words = f"on 127.0.0.1:8199: port is already allocated, to container '{first.name}'"
    wait_until(lambda: words in pynet_scene.run_fails(net, "-p", "8199:80"), "the name of the container")
