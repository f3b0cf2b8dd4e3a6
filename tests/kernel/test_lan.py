"""Containers on a bridge of the user's: reached, guarded, limited, and nothing of the bridge changed."""

import re
from itertools import permutations

import pytest

from netlink.counters import Counters
from plugin.engine.names import Known
from plugin.errors import Failed, InvalidRequest, Unsupported
from plugin.firewall import sets
from plugin.firewall.elements import link_local
from plugin.model.names import host_link_name, limiter_name
from plugin.model.records import Endpoint, Network
from plugin.observe.drops import Drops
from plugin.protocol.messages import EndpointRef, NetworkRef
from tests.kernel.container import Container, sh
from tests.kernel.hosts import soon
from tests.kernel.lan_bridge import BRIDGE, HOST, HOST6, lan_network, make_bridge
from tests.kernel.lan_site import NEIGHBOUR, REMOTE, UPLINK, LanSite
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

pytestmark = pytest.mark.usefixtures("lan")
ONE, TWO = "02" * 32, "03" * 32  # endpoints with the addresses .2 and .3
_COUNTS = re.compile(r"tentative |(gc|hello|topology_change)_timer +\S+|(valid|preferred)_lft \S+")


def own_view(bridge: str = BRIDGE) -> str:
    """Return all that the host's tools and files tell of a bridge itself."""
    seen = sh(f"ip -d link show {bridge}; ip addr show {bridge}; ip route; ip -6 route; bridge link show dev {UPLINK}")
    settings = sh(
        f"grep -rs . /proc/sys/net/ipv4/conf/{bridge} /proc/sys/net/ipv6/conf/{bridge}; sysctl net.ipv4.ip_forward"
    )
    return _COUNTS.sub("", seen) + settings


@pytest.fixture
def pair(pynet: Pynet, two: tuple[Container, Container]) -> tuple[Container, Container]:
    """Two containers on the LAN, of both families."""
    make_bridge()
    pynet.driver.create_network(lan_network())
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)
    return two


def test_containers_are_machines_of_the_lan(lan: LanSite, pair: tuple[Container, Container]) -> None:
    """They, the host, a neighbour and a machine behind the router reach each other in both directions and families."""
    places = {
        pair[0]: ("192.168.50.2", "fd00:50::2"),
        pair[1]: ("192.168.50.3", "fd00:50::3"),
        lan.neighbour: (NEIGHBOUR, "fd00:50::9"),
        lan.remote: (REMOTE, "fd00:60::9"),
    }
    for one, other in permutations(places, 2):
        assert [address for address in places[other] if not one.reaches(address)] == []
    assert all(pair[0].reaches(address) for address in (HOST, HOST6))


@pytest.mark.parametrize("mtu", ["0", "1400"])
def test_nothing_of_the_bridge_changes(pynet: Pynet, two: tuple[Container, Container], mtu: str) -> None:
    """Its MAC, MTU, addresses, flags, routes and settings are the same with containers, without, and afterwards."""
    make_bridge()
    before = own_view()
    request = lan_network()
    request.options.generic["com.docker.network.driver.mtu"] = mtu  # type: ignore[index]
    pynet.driver.create_network(request)
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)
    assert f"mtu {int(mtu) or 1500} " in two[0].sh("ip link show eth0")
    assert two[0].reaches(NEIGHBOUR)

    assert own_view() == before
    pynet.end()
    assert own_view() == before
    assert sh(f"ip -br link show master {BRIDGE}").split("@")[0] == UPLINK


def test_a_bridge_of_jumbo_frames_keeps_them(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A container gets the MTU of the bridge where the user asks for nothing else."""
    make_bridge()
    sh(f"ip link set {UPLINK} mtu 9000")
    pynet.driver.create_network(lan_network())
    pynet.attach(two[0], rq.NETWORK_ID, 2)

    assert "mtu 9000 " in sh(f"ip link show {BRIDGE}")
    assert "mtu 9000 " in two[0].sh("ip link show eth0")


def test_networks_share_a_bridge(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A second network on the bridge is a part of the same LAN, and goes without touching the first."""
    make_bridge()
    pynet.driver.create_network(lan_network())
    pynet.driver.create_network(lan_network(rq.OTHER_ID))
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    pynet.attach(two[1], rq.OTHER_ID, 3)
    assert two[0].reaches("192.168.50.3")

    pynet.driver.delete_endpoint(EndpointRef(rq.OTHER_ID, TWO))
    pynet.driver.delete_network(NetworkRef(rq.OTHER_ID))
    assert two[0].reaches(NEIGHBOUR)
    assert pynet.reconciler.reconcile() == []


def test_without_icc_containers_reach_the_lan_alone(
    pynet: Pynet, lan: LanSite, two: tuple[Container, Container]
) -> None:
    """With enable_icc=false two containers do not reach each other, in either family; everybody else they do."""
    make_bridge()
    request = lan_network()
    request.options.generic["com.docker.network.bridge.enable_icc"] = "false"  # type: ignore[index]
    pynet.driver.create_network(request)
    for number, container in enumerate(two, 2):
        pynet.attach(container, rq.NETWORK_ID, number)

    assert [two[0].reaches(address) for address in ("192.168.50.3", "fd00:50::3")] == [False, False]
    assert all(two[0].reaches(address) for address in (NEIGHBOUR, "fd00:60::9", HOST))
    assert lan.neighbour.reaches("192.168.50.3")


@pytest.mark.parametrize("address", ["192.168.50.77", "fd00:50::77"])
def test_the_guard_holds_towards_the_lan(lan: LanSite, pair: tuple[Container, Container], address: str) -> None:
    """A container that takes an address of somebody else reaches nobody from it, and nobody reaches it there."""
    length, nodad, target = ("/64", "nodad", "fd00:50::9") if ":" in address else ("/24", "", NEIGHBOUR)
    pair[0].sh(f"ip addr add {address}{length} dev eth0 {nodad} preferred_lft 0")

    assert not lan.neighbour.reaches(address)
    with pytest.raises(AssertionError):
        pair[0].sh(f"ping -c 1 -W 1 -I {address} {target}")
    assert pair[0].reaches(target)


def test_frames_pass_beside_a_firewall_that_drops(
    pynet: Pynet, lan: LanSite, pair: tuple[Container, Container]
) -> None:
    """With br_netfilter and a FORWARD chain that drops, frames from port to port pass, and nothing that is routed."""
    sh("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP")
    sh("sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 net.ipv4.ip_forward=1")
    assert not pair[0].reaches(NEIGHBOUR)
    pynet.firewall.heal()

    assert pair[0].reaches(NEIGHBOUR)
    assert lan.neighbour.reaches("fd00:50::2")
    rules = [line for line in sh("iptables -S FORWARD").splitlines() if BRIDGE in line]
    assert rules == [f"-A FORWARD -i {BRIDGE} -o {BRIDGE} -m comment --comment pynet -j ACCEPT"]


def test_a_bridge_that_comes_back_gets_its_ports(pynet: Pynet, lan: LanSite, pair: tuple[Container, Container]) -> None:
    """A bridge that vanished is missed, and not made; once the user has made it again, the containers are in it."""
    sh(f"ip link set {UPLINK} nomaster; ip link del {BRIDGE}")
    pynet.reconciler.reconcile()
    assert not pynet.kernel.link_exists(BRIDGE)
    [astray, *_] = pynet.reconciler.status().failing
    assert (astray.kind, f"bridge '{BRIDGE}' of the network is gone" in astray.error) == ("ParentAstray", True)
    with pytest.raises(Failed, match="is gone: make it again"):
        pynet.driver.create_endpoint(rq.endpoint("192.168.50.7/24"))

    make_bridge()
    pynet.reconciler.look_at_links([BRIDGE])
    assert pair[0].reaches(NEIGHBOUR)
    assert lan.neighbour.reaches("fd00:50::3")
    assert pynet.reconciler.reconcile() == []
    assert pynet.reconciler.status().failing == ()


def test_a_renamed_bridge_is_followed(pynet: Pynet, pair: tuple[Container, Container]) -> None:
    """New containers go into it by its new name, and frames pass there."""
    sh(f"ip link set {BRIDGE} down; ip link set {BRIDGE} name lan7; ip link set lan7 up")
    pynet.reconciler.reconcile()
    network = pynet.store.get(Network, rq.NETWORK_ID)
    assert network is not None
    assert network.record.link == "lan7"
    assert (sets.LANS.element("lan7", "lan7"),) == pynet.firewall.owners()[f"lan {rq.NETWORK_ID}"].elements

    pynet.driver.create_endpoint(rq.endpoint("192.168.50.7/24"))
    assert host_link_name(rq.ENDPOINT_ID) in sh("ip -br link show master lan7")
    assert pynet.reconciler.reconcile() == []
    assert pair[0].reaches(NEIGHBOUR)


@pytest.mark.parametrize(
    "damage", ["nomaster", "down", "address fe:00:00:00:00:01", "alias x", "type bridge_slave learning on"]
)
def test_a_port_that_others_changed_is_repaired(pynet: Pynet, pair: tuple[Container, Container], damage: str) -> None:
    """Taken out of the bridge, set down, with other flags or another MAC, it is put right; the bridge stays."""
    before = own_view()
    sh(f"ip link set {host_link_name(ONE)} {damage}")
    assert pynet.reconciler.reconcile() != []
    assert pynet.reconciler.reconcile() == []
    assert soon(lambda: pair[0].reaches(NEIGHBOUR))
    assert own_view() == before


def test_vlans_are_refused_on_a_bridge_that_mixes_them(pynet: Pynet) -> None:
    """With the command that turns them on, or where this kernel has none, with the feature that it lacks."""
    make_bridge()
    before = own_view()
    with pytest.raises((InvalidRequest, Unsupported), match=r"vlan_filtering"):
        pynet.driver.create_network(lan_network(vlan="50"))

    assert own_view() == before
    assert pynet.store.get(Network, rq.NETWORK_ID) is None


def test_an_address_that_the_router_gives_passes_the_guard(
    lan: LanSite, pair: tuple[Container, Container], pynet: Pynet
) -> None:
    """A container makes an address of an advertised prefix and its MAC (SLAAC); no other end of an address passes."""
    lan.router.sh("ip addr add fd00:51::1/64 dev eth0 nodad")
    lan.neighbour.sh("ip addr add fd00:51::9/64 dev eth0 nodad")
    own = f"fd00:51::{str(link_local(pynet.store.list(Endpoint)[0].record.mac)).removeprefix('fe80::')}"
    number = pynet.store.list(Endpoint)[0].record.id
    box = pair[0] if number == ONE else pair[1]
    box.sh(f"ip addr add {own}/64 dev eth0; ip addr add fd00:51::77/64 dev eth0 nodad preferred_lft 0")

    assert soon(lambda: lan.neighbour.reaches(own))
    box.sh(f"ping -c 1 -W 2 -I {own} fd00:51::9")
    assert pynet.firewall.differences() == []
    assert not lan.neighbour.reaches("fd00:51::77")


def test_limits_and_drops_are_those_of_the_port(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Rates hold in both directions, and a refused frame is put down to its network and its container."""
    make_bridge()
    pynet.driver.create_network(lan_network(rate_in="10mbit"))
    pynet.attach(two[0], rq.NETWORK_ID, 2, ONE, rate_out="20mbit", egress="deny", allow_out="10.0.0.0/8")
    drops = Drops(Counters(), pynet.store, "pynet", Known)
    drops.reports()
    assert not two[0].reaches(NEIGHBOUR)
    [drop] = drops.reports()

    buckets = pynet.kernel.buckets([host_link_name(ONE), limiter_name(ONE)])
    assert [bucket.rate * 8 for bucket in buckets.values()] == [10_000_000, 20_000_000]
    assert pynet.kernel.redirections([host_link_name(ONE)]) == {host_link_name(ONE): limiter_name(ONE)}
    assert (drop.reason, drop.network, drop.sender.endpoint) == ("egress_neighbour", rq.NETWORK_ID, ONE)
