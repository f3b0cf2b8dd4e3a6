"""VXLAN is taken from the members of a network and from nobody else."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from plugin.cluster.overlay.records import Member
from plugin.protocol.messages import NetworkRef
from plugin.store.base import Put
from plugin.store.memory import MemoryStore
from tests.kernel.container import Container
from tests.kernel.hosts import MakeHosts, OverlayHost, soon
from tests.overlay_fakes import overlay
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
BLUE, GREEN, NEAR, INSIDE = rq.NETWORK_ID, rq.OTHER_ID, "e3" * 32, "f4" * 32
# An ARP answer to all: 10.9.0.99 is at 02:42:0a:09:00:63.
FRAME = bytes.fromhex("ffffffffffff02420a090063 0806 0001 0800 0604 0002 02420a090063 0a090063 02420a090063 0a090063")
TUNNELLED = str(Path(__file__).with_name("tunnelled.py"))
DOCKERS = "br-0123456789ab"


def hears(box: Container, send: Callable[[bytes], object], frame: bytes = FRAME) -> bool:
    """Say whether ``FRAME`` arrives at a container after ``send`` of ``frame``."""
    command = ["nsenter", "-n", "-t", str(box.pid), "--", sys.executable, TUNNELLED, "hear", "eth0", FRAME.hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == b"ready\n"
        send(frame)
        return b"heard" in listener.communicate(timeout=20)[0]


@dataclass(slots=True)
class Site:
    """Hosts 1 and 2 have the network blue, VNI 70; hosts 1 and 3 the network green, VNI 71; all on one port."""

    hosts: list[OverlayHost]
    victim: Container

    def heard(self, send: Callable[[str], object], to: str = "192.0.2.1") -> bool:
        """Say whether the victim hears the frame after ``send`` of what sends it to a host."""
        words = f"{sys.executable} {TUNNELLED} send {to} 4789 70"
        return hears(self.victim, lambda frame: send(f"{words} {frame.hex()}"))

    def bridged(self, host: OverlayHost, bridge: str, subnet: str) -> Container:
        """Start a container on a bridge that is not pynet's."""
        box = Container()
        host.containers.append(box)
        host.sh(f"ip link add {bridge} type bridge; ip addr add {subnet}.1/24 dev {bridge}; ip link set {bridge} up")
        host.sh(f"ip link add {bridge[:4]}p type veth peer name {bridge[:4]}c netns {box.pid}")
        host.sh(f"ip link set {bridge[:4]}p master {bridge} up")
        box.sh(f"ip link set {bridge[:4]}c name eth0; ip addr add {subnet}.2/24 dev eth0; ip link set eth0 up")
        box.sh(f"ip route add default via {subnet}.1")
        return box


@pytest.fixture
def site(make_hosts: MakeHosts) -> Site:
    """Return the hosts, with a container of blue on the first."""
    hosts = make_hosts(3)
    for host in hosts[:2]:
        host.create(overlay(BLUE, "10.9.0.1/24", vni="70"))
    for host in (hosts[0], hosts[2]):
        host.create(overlay(GREEN, "10.8.0.1/24", vni="71", network="green"))
    for host in hosts:
        host.sh("sysctl -qw net.ipv4.ip_forward=1")
    site = Site(hosts, hosts[0].run(BLUE, 2))
    assert soon(lambda: hosts[0].members() == hosts[0].members(GREEN) == 1)
    return site


def test_a_member_is_let_in(site: Site) -> None:
    """The frames of the other tests arrive if a member sends them; otherwise they would prove nothing."""
    assert site.heard(site.hosts[1].sh)
    two = site.hosts[1].run(BLUE, 3)
    assert soon(lambda: two.reaches("10.9.0.2"))


@pytest.mark.parametrize("to", ["10.7.0.1", "192.0.2.1", "10.9.0.1"])
@pytest.mark.parametrize("internal", [False, True])
def test_a_container_of_another_network_is_not(site: Site, to: str, internal: bool) -> None:
    """Of a bridge network or an internal one, to any address of the host, from its own address or a member's."""
    host = site.hosts[0]
    host.create(rq.network(NEAR, "10.7.0.1/24", internal=internal))
    box = host.run(NEAR, 7)
    box.sh("ip addr add 192.0.2.2/32 dev eth0; ip route replace default via 10.7.0.1")

    assert not site.heard(box.sh, to)
    assert not site.heard(lambda words: box.sh(f"{words} 192.0.2.2"), to)


def test_a_container_of_the_network_itself_is_not(site: Site) -> None:
    """A container of the network cannot send VXLAN around its guarded port."""
    box = site.hosts[0].run(BLUE, 7)

    assert not site.heard(box.sh)


@pytest.mark.parametrize("bridge", ["vmbr", DOCKERS])
def test_a_container_of_a_foreign_bridge_is_not(site: Site, bridge: str) -> None:
    """A container of a foreign, unguarded bridge is no accepted sender, whatever address it claims."""
    host = site.hosts[0]
    box = site.bridged(host, bridge, "10.66.0")
    host.do(lambda: host.pynet.firewall.set_docker_bridges(frozenset({DOCKERS})))
    box.sh("ip addr add 192.0.2.2/32 dev eth0")

    assert not site.heard(box.sh, "10.66.0.1")
    assert not site.heard(lambda words: box.sh(f"{words} 192.0.2.2"), "10.66.0.1")
    assert not site.heard(lambda words: box.sh(f"{words} 192.0.2.2"))


def test_a_host_that_is_no_member_is_not(site: Site) -> None:
    """A host that is a member only of another network is no accepted sender, even on the same port."""
    assert not site.heard(site.hosts[2].sh)


@pytest.mark.parametrize("source", ["", " 192.0.2.2", " 192.0.2.9"])
def test_a_container_of_another_member_is_not(site: Site, source: str) -> None:
    """It would leave with the address of its host, which is a member."""
    two = site.hosts[1]
    two.create(rq.network(NEAR, "10.7.0.1/24"))
    box = two.run(NEAR, 7) if not source else site.bridged(two, "vmbr", "10.66.0")
    box.sh("ip addr add 192.0.2.2/32 dev eth0; ip addr add 192.0.2.9/32 dev eth0" if source else "true")
    two.sh("nft 'add table ip n; add chain ip n p { type nat hook postrouting priority 100; }'")
    two.sh("nft add rule ip n p oifname ul0 masquerade")

    assert not site.heard(lambda words: box.sh(f"{words}{source}"))


def test_a_member_stays_one_while_the_store_is_away(site: Site) -> None:
    """Across a restart, in which all rules are written anew, and after somebody flushed them."""
    host = site.hosts[0]
    site.hosts[1].run(BLUE, 3)
    assert soon(lambda: len(host.entries()) == 4)  # a member without a container has no entry
    host.crash()
    host.cable.cut = True
    host.restart()
    assert site.heard(site.hosts[1].sh)
    host.sh("nft flush ruleset")
    host.do(host.pynet.firewall.heal)

    assert site.heard(site.hosts[1].sh)
    assert not site.heard(site.hosts[2].sh)


def test_a_member_that_moves_is_let_in_from_its_new_place_only(site: Site, shared: MemoryStore) -> None:
    """A member that moves is accepted only from its new address, as soon as its record has it."""
    two = site.hosts[1]
    two.sh("ip addr add 192.0.2.102/24 dev ul0")
    (member,) = [item.record for item in shared.list(Member, "blue/h2/")]
    shared.transact(Put(Member("blue", "h2", member.network_id, ip_address("192.0.2.102"))))

    assert soon(lambda: "192.0.2.102 . 4789" in site.hosts[0].sh("nft list set inet pynet vxlan_members4"))
    assert site.heard(lambda words: two.sh(f"{words} 192.0.2.102"))
    assert not site.heard(lambda words: two.sh(f"{words} 192.0.2.2"))


def test_a_network_that_is_gone_lets_nobody_in(site: Site) -> None:
    """A removed network accepts nobody; elements of other networks stay."""
    host = site.hosts[0]
    host.do(lambda: host.pynet.driver.delete_network(NetworkRef(BLUE)))
    host.do(lambda: host.pynet.reaper.clear(f"pn-{BLUE[:12]}"))
    listed = host.sh("nft list set inet pynet vxlan_networks; nft list set inet pynet vxlan_members4")

    assert "192.0.2.3 . 4789 . 0x47" in listed
    assert "0x46" not in listed


def test_another_vxlan_of_the_host_goes_on(site: Site) -> None:
    """A VXLAN link made by hand or by swarm, on the same port with its own VNI, keeps working."""
    for host, other in ((site.hosts[0], 3), (site.hosts[2], 1)):
        host.sh(f"ip link add vx type vxlan id 99 dstport 4789 remote 192.0.2.{other} local {host.address}")
        host.sh(f"ip addr add 10.99.0.{4 - other}/24 dev vx; ip link set vx up")

    assert soon(lambda: "1 received" in site.hosts[2].sh("ping -c 1 -W 1 10.99.0.1 || true"))


def test_fragments_hide_nothing(make_hosts: MakeHosts) -> None:
    """Over IPv6 too, where the kernel puts them together late; and a member's arrive."""
    hosts = make_hosts(3, "2001:db8::")
    for host in hosts[:2]:
        host.create(overlay(BLUE, "10.9.0.1/24", vni="70"))
    victim = hosts[0].run(BLUE, 2)
    assert soon(lambda: hosts[0].members() == 1)
    send = f"{sys.executable} {TUNNELLED} send 2001:db8::1 4789 70"
    long = FRAME + bytes(1300)

    assert hears(victim, lambda frame: hosts[1].sh(f"{send} {frame.hex()}"), long)
    assert not hears(victim, lambda frame: hosts[2].sh(f"{send} {frame.hex()}"), long)
