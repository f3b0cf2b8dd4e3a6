"""The guest's kernel has what the tests of this ring need."""

import pytest

from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("ipvlan", "mode l2"),
        ("ipvlan", "mode l3"),
        ("ipvlan", "mode l3s"),
        ("vlan", "id 50"),
        ("macvlan", "mode bridge"),
    ],
)
def test_the_kernel_has_links_on_a_parent(kind: str, more: str) -> None:
    """A link of each kind can be made on a parent."""
    sh("ip link add eth0 type veth peer name far0")
    sh(f"ip link add link eth0 name child0 type {kind} {more}")
    assert kind in sh("ip -d link show child0")


def test_the_kernel_has_bridges_that_know_vlans() -> None:
    """A port can be in a VLAN."""
    sh("ip link add br0 type bridge vlan_filtering 1; ip link add eth0 type veth peer name far0")
    sh("ip link set eth0 master br0; bridge vlan add dev eth0 vid 50 pvid untagged")
    assert "50 PVID Egress Untagged" in sh("bridge vlan show dev eth0")


def test_neighbours_reach_each_other_and_the_gateway(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A network of pynet works on this kernel, with its rules."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    pynet.attach(two[1], rq.NETWORK_ID, 3)

    assert two[0].reaches("10.9.0.3")
    assert two[0].reaches("10.9.0.1")
