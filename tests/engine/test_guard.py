"""Containers that carry others' packets: beside ``bridge``, which looks at no source, and opened as far as needed."""

import json

import pytest

from tests.engine.lab.scene import Scene
from tests.engine.lab.service import command

ALLOW = "pynet.guard_allow"


def options(scene: Scene, allowed: str) -> tuple[str, ...]:
    """Return the options with which a network of pynet allows more than the guard does; ``bridge`` needs none."""
    return () if scene.driver == "bridge" else ("-o", f"{ALLOW}={allowed}")


def test_addresses_that_the_engine_adds_talk_where_they_are_allowed(scene: Scene) -> None:
    """``--link-local-ip`` is between engine and container: the driver is never told."""
    net = scene.network(*options(scene, "169.254.0.0/16"))
    one, _ = (scene.container(net, "--link-local-ip", f"169.254.1.{number}") for number in (1, 2))

    assert one.reaches("169.254.1.2")


def test_a_container_is_the_way_out_of_an_internal_network(pynet_scene: Scene) -> None:
    """A VPN gateway on an uplink and on the internal network, which sends answers of the world into it."""
    uplink = pynet_scene.network("--subnet", "10.41.0.0/24")
    inside = pynet_scene.network("--internal", "--subnet", "10.42.0.0/24", *options(pynet_scene, "0.0.0.0/0"))
    gateway = pynet_scene.container(uplink, "--sysctl", "net.ipv4.ip_forward=1")
    pynet_scene.host.docker("network", "connect", "--ip", "10.42.0.9", inside, gateway.name)
    gateway.net("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE")
    app, target = pynet_scene.container(inside), pynet_scene.container(uplink)
    app.net("ip", "route", "add", "default", "via", "10.42.0.9")

    assert app.reaches(target.ip(uplink))


@pytest.mark.parametrize("option", ["pynet.guard=off", f"{ALLOW}=10.43.0.200", ""])
def test_one_container_of_a_network_may_have_a_second_address(pynet_scene: Scene, option: str) -> None:
    """``--driver-opt`` of the container opens its guard, and no other."""
    net = pynet_scene.network("--subnet", "10.43.0.0/24")
    asker, other = pynet_scene.containers(net, 2)
    opened = pynet_scene.container(f"name={net},driver-opt={option}" if option else net)
    opened.net("ip", "address", "add", "10.43.0.200/24", "dev", "eth0")
    other.net("ip", "address", "add", "10.43.0.201/24", "dev", "eth0")

    assert asker.reaches("10.43.0.200") is bool(option)
    assert not asker.reaches("10.43.0.201")


def test_status_counts_what_the_guard_drops(pynet_scene: Scene) -> None:
    """By network and reason, with the name of the network for people."""
    net = pynet_scene.network("--subnet", "10.44.0.0/24")
    one, two = pynet_scene.containers(net, 2)
    one.net("ip", "address", "add", "10.44.0.200/24", "dev", "eth0")
    assert not two.reaches("10.44.0.200")
    status = command(pynet_scene.host, "status")

    assert f"dropped in network '{net}', address (from an address that it was not given): " in status
    drops = json.loads(command(pynet_scene.host, "status", "--json"))["drops"]
    assert any(drop["reason"] == "address" and drop["frames"] > 0 for drop in drops)


@pytest.mark.parametrize("families", [(), ("--ipv6", "--subnet", "fd00:45::/64")], ids=["IPv4", "both"])
def test_nothing_is_dropped_of_ordinary_containers(pynet_scene: Scene, families: tuple[str, ...]) -> None:
    """Starting, being reached and being connected to a second network are no reason for a line in the log."""
    net, second = pynet_scene.network(*families), pynet_scene.network()
    one, two = pynet_scene.containers(net, 2)
    pynet_scene.host.docker("network", "connect", second, one.name)
    assert one.reaches(two.name)
    ids = [pynet_scene.host.docker("network", "inspect", "-f", "{{.Id}}", name).strip() for name in (net, second)]

    drops = json.loads(command(pynet_scene.host, "status", "--json"))["drops"]
    assert [drop for drop in drops if drop["network"] in ids] == []
