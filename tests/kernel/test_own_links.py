"""Links of others under pynet's names, on a real kernel."""

import socket

import pytest

from plugin.errors import Conflict
from plugin.model.records import Tombstone
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
NAMED = {"com.docker.network.bridge.name": "br0"}


def test_a_tombstone_spares_the_bridge_that_came_after_the_reboot(pynet: Pynet) -> None:
    """A tombstone of a killed pynet spares the bridge br0 that the host made after the reboot."""
    pynet.driver.create_network(rq.network(options=NAMED))
    pynet.driver.delete_network(rq.NETWORK)
    sh("ip link del br0; ip link add br0 up type bridge; ip addr add 192.168.1.10/24 dev br0")
    index = socket.if_nametoindex("br0")
    pynet.end()

    assert socket.if_nametoindex("br0") == index
    assert "192.168.1.10/24" in sh("ip -o addr show dev br0")
    assert pynet.store.list(Tombstone) == []


def test_a_bridge_of_the_host_is_told_and_left_alone(pynet: Pynet) -> None:
    """A bridge that the host made under a network's name is reported and left alone."""
    pynet.driver.create_network(rq.network(options=NAMED))
    sh("ip link del br0; ip link add br0 up address 02:00:00:00:00:77 type bridge; ip addr add 10.9.0.1/24 dev br0")
    settings = "cat /proc/sys/net/ipv4/conf/br0/route_localnet /proc/sys/net/ipv6/conf/br0/accept_ra"
    before = sh(f"ip -o link show dev br0; ip -4 -o addr show dev br0; {settings}")
    found = pynet.reconciler.reconcile()
    pynet.end()

    assert [repair.kind for repair in found] == ["LinkForeign"]
    assert sh(f"ip -o link show dev br0; ip -4 -o addr show dev br0; {settings}") == before


def test_a_veth_of_others_stays(pynet: Pynet) -> None:
    """A pair with another program's alias survives a CreateEndpoint of the same name."""
    pynet.driver.create_network(rq.network())
    sh("ip link add pnhe0e0e0e0e0e0 type veth peer name vm7; ip link set pnhe0e0e0e0e0e0 alias vm7")
    index = socket.if_nametoindex("pnhe0e0e0e0e0e0")
    with pytest.raises(Conflict, match="with alias 'vm7'"):
        pynet.driver.create_endpoint(rq.endpoint())

    assert socket.if_nametoindex("pnhe0e0e0e0e0e0") == index


def test_an_alias_that_was_taken_does_not_make_a_link_foreign(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A link whose alias was overwritten is still recognised by its group, and deleted."""
    pynet.driver.create_network(rq.network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    sh("ip link set pn-a1a1a1a1a1a1 alias mine; ip link set pnh020202020202 alias ''")
    pynet.end()

    assert [link.name for link in pynet.kernel.links()] == ["lo"]
