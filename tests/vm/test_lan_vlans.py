"""Mode lan on a bridge that tells VLANs apart: access and trunk ports, with guard and policy, and repairs."""

import pytest

from plugin.errors import InvalidRequest
from plugin.model import findings as f
from plugin.model.names import host_link_name
from tests.kernel.container import Container, sh
from tests.kernel.lan_bridge import BRIDGE, lan_network
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

PEERS = {50: "192.168.50.9", 60: "192.168.50.10"}  # a machine of each VLAN, beyond the uplink


@pytest.fixture
def trunk(containers: list[Container]) -> Container:
    """A machine beyond the uplink of a bridge that tells VLANs apart: it is in the VLANs 50 and 60, with tags."""
    machine = Container()
    containers.append(machine)
    sh(f"ip link add {BRIDGE} type bridge vlan_filtering 1; ip link set {BRIDGE} up")
    sh(f"ip link add eth0 type veth peer name eth0 netns {machine.pid}; ip link set eth0 master {BRIDGE} up")
    machine.sh("ip link set eth0 up; sysctl -qw net.ipv4.conf.all.arp_ignore=1")  # an address is on its link alone
    for vlan, address in PEERS.items():
        sh(f"bridge vlan add dev eth0 vid {vlan}")
        machine.sh(f"ip link add link eth0 name v{vlan} type vlan id {vlan}; ip link set v{vlan} up")
        machine.sh(f"ip addr add {address}/32 dev v{vlan}; ip addr add fd00:50::{vlan}/128 dev v{vlan} nodad")
        machine.sh(f"ip route add 192.168.50.{vlan}/32 dev v{vlan}; ip route add fd00:50::{vlan + 100}/128 dev v{vlan}")
    return machine


def ids(pynet: Pynet, containers: list[Container], vlan: int, number: int, **options: str) -> Container:
    """Return a container with the address .NUMBER in an access VLAN."""
    network = f"{vlan:02d}" * 32
    if not pynet.firewall.owns(f"lan {network}"):
        pynet.driver.create_network(lan_network(network, vlan=str(vlan)))
    containers.append(Container())
    pynet.attach(containers[-1], network, number, f"{number:02x}" * 32, **options)
    return containers[-1]


def test_containers_are_in_their_vlan_alone(pynet: Pynet, containers: list[Container], trunk: Container) -> None:
    """They reach machines and containers of their VLAN, and nobody of another one, nor of the bridge's default."""
    one, two, other = (ids(pynet, containers, *where) for where in ((50, 50), (50, 51), (60, 60)))
    trunk.sh("ip addr add 192.168.50.77/24 dev eth0")

    assert one.reaches(PEERS[50])
    assert one.reaches("192.168.50.51")
    assert two.reaches("192.168.50.50")
    assert other.reaches(PEERS[60])
    assert [one.reaches(address) for address in (PEERS[60], "192.168.50.60", "192.168.50.77")] == [False] * 3
    assert trunk.reaches("192.168.50.50")
    assert "50 PVID Egress Untagged" in sh(f"bridge vlan show dev {host_link_name('32' * 32)}")


def test_guard_and_policy_hold_in_a_vlan(pynet: Pynet, containers: list[Container], trunk: Container) -> None:
    """An address of somebody else reaches nobody; frames that leave with a tag are judged like others."""
    denied = ids(pynet, containers, 50, 50, egress="deny", allow_out=f"icmp @ {PEERS[50]}")
    closed = ids(pynet, containers, 50, 51, **{"from": "icmp @ 192.168.50.52"})
    free = ids(pynet, containers, 50, 52)
    trunk.sh("ip route add 192.168.50.51/32 dev v50; ip route add 192.168.50.52/32 dev v50")
    free.sh("ip addr add 192.168.50.99/24 dev eth0")

    assert denied.reaches(PEERS[50])
    assert not denied.reaches("192.168.50.52")
    assert free.reaches("192.168.50.51")
    assert closed.reaches(PEERS[50])
    assert not trunk.reaches("192.168.50.51")
    assert not trunk.reaches("192.168.50.99")
    assert trunk.reaches("192.168.50.52")


def test_a_trunk_carries_vlans_with_a_tag(pynet: Pynet, containers: list[Container], trunk: Container) -> None:
    """A container makes links of its own for the VLANs that it was given; another VLAN reaches nobody."""
    pynet.driver.create_network(lan_network(vlans="50,60", guard="off"))
    containers.append(Container())
    pynet.attach(containers[-1], rq.NETWORK_ID, 5)
    sh("bridge vlan add dev eth0 vid 70")
    for vlan, own in ((50, 50), (60, 60), (70, 70)):
        containers[-1].sh(f"ip link add link eth0 name v{vlan} type vlan id {vlan}; ip link set v{vlan} up")
        containers[-1].sh(f"ip addr add 192.168.50.{own}/32 dev v{vlan}")
    for vlan, address in PEERS.items():
        containers[-1].sh(f"ip route add {address}/32 dev v{vlan} src 192.168.50.{vlan}")
    trunk.sh("ip link add link eth0 name v70 type vlan id 70; ip link set v70 up; ip addr add 192.168.50.79/32 dev v70")
    containers[-1].sh("ip route add 192.168.50.79/32 dev v70 src 192.168.50.70")

    assert all(containers[-1].reaches(address) for address in PEERS.values())
    assert not containers[-1].reaches("192.168.50.79")


def test_vlans_that_others_changed_are_repaired(pynet: Pynet, containers: list[Container], trunk: Container) -> None:
    """A port gets its VLAN back, and a bridge without vlan_filtering is told and left alone."""
    one = ids(pynet, containers, 50, 50)
    port = host_link_name("32" * 32)
    sh(f"bridge vlan del dev {port} vid 50; bridge vlan add dev {port} vid 60 pvid untagged")
    assert not one.reaches(PEERS[50])
    assert [repair.kind for repair in pynet.reconciler.reconcile()] == [f.PortChanged.__name__]
    assert any(one.reaches(PEERS[50]) for _ in range(5))  # the guest is slow, and a ping waits for a second
    assert trunk.reaches("192.168.50.50")

    sh(f"ip link set {BRIDGE} type bridge vlan_filtering 0")
    pynet.reconciler.reconcile()
    assert [repair.kind for repair in pynet.reconciler.status().failing] == [f.VlansMixed.__name__]
    assert "vlan_filtering 0" in sh(f"ip -d link show {BRIDGE}")


def test_a_bridge_that_mixes_vlans_is_refused(pynet: Pynet, trunk: Container) -> None:
    """The text has the command, and nothing is made."""
    del trunk
    sh(f"ip link set {BRIDGE} type bridge vlan_filtering 0")

    with pytest.raises(InvalidRequest, match=f"ip link set {BRIDGE} type bridge vlan_filtering 1"):
        pynet.driver.create_network(lan_network(vlan="50"))
