"""pynet's address manager with either network driver, and pynet's network driver with either address manager."""

from collections.abc import Iterator

import pytest

from tests.engine.lab.host import Host
from tests.engine.lab.scene import Scene
from tests.engine.lab.service import Plugin
from tests.engine.lab.snapshot import unchanged


@pytest.fixture(params=[("bridge", "pynet"), ("pynet", "default"), ("pynet", "pynet")], ids="+".join)
def mixed(request: pytest.FixtureRequest, host: Host, pynet: Plugin) -> Iterator[tuple[Scene, str]]:
    """A scene of one network driver, and an address manager to go with it."""
    driver, ipam = request.param
    scene = Scene(host, driver)
    assert pynet.pids, "pynet does not run"
    yield scene, ipam
    scene.close()


@pytest.mark.parametrize("subnet", [(), ("--subnet", "10.37.0.0/24")], ids=["any-pool", "chosen-pool"])
def test_drivers_and_address_managers_go_together(mixed: tuple[Scene, str], subnet: tuple[str, ...]) -> None:
    """With every pair of driver and address manager containers reach each other, and all addresses are released."""
    scene, ipam = mixed
    with unchanged(scene.host):
        net = scene.network("--ipam-driver", ipam, *subnet)
        one, two = scene.containers(net, 2)
        assert one.ip(net) != two.ip(net)
        assert one.reaches(two.name)
        scene.close()


def test_both_families_come_from_one_address_manager(mixed: tuple[Scene, str]) -> None:
    """A dual-stack network gets its addresses of both families from the address manager that was named."""
    scene, ipam = mixed
    net = scene.network("--ipam-driver", ipam, "--ipv6", "--subnet", "10.37.0.0/24", "--subnet", "fd00:37::/64")
    one = scene.container(net, "--ip", "10.37.0.9", "--ip6", "fd00:37::9")
    two = scene.container(net)
    assert two.reaches("10.37.0.9")
    assert two.reaches("fd00:37::9")
    assert one.reaches(two.ip6(net))


def test_a_pool_is_free_again_after_its_network_went(pynet_scene: Scene) -> None:
    """The same subnet, and every address in it, can be had again."""
    for _ in range(2):
        net = pynet_scene.network("--ipam-driver", "pynet", "--subnet", "10.37.0.0/29")
        assert len({box.ip(net) for box in pynet_scene.containers(net, 5)}) == 5
        pynet_scene.close()


def test_more_networks_than_dockers_own_pools_give(pynet_scene: Scene) -> None:
    """Docker's own address manager ends at 31 networks; pynet's goes on, and no two overlap."""
    names = [pynet_scene.network("--ipam-driver", "pynet") for _ in range(35)]
    configs = [pynet_scene.host.docker.inspect("network", name)["IPAM"]["Config"][0]["Subnet"] for name in names]
    assert len(set(configs)) == 35
