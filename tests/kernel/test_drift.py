"""Changes by others to pynet's objects are noticed and repaired; their own objects stay."""

import pytest

from netlink.monitor import OWN, RULES, SWITCH
from netlink.own_changes import MADE, MEMORY
from plugin.model.records import Tombstone
from plugin.reconcile.watcher import Watcher
from tests.kernel.container import Container, host_asks, sh
from tests.kernel.pynet import Pynet, connect
from tests.rules import without_drops
from tests.unit import requests as rq

BRIDGE, PORT, OTHER = "pn-a1a1a1a1a1a1", "pnh020202020202", "pnh030303030303"
RULE = "$(nft -a list chain inet pynet forward | grep established_flows | sed 's/.*handle //')"
HEARD = {
    "bridge deleted": (f"ip link del {BRIDGE}", OWN),
    "bridge down": (f"ip link set {BRIDGE} down", OWN),
    "port detached": (f"ip link set {PORT} nomaster", OWN),
    "port down": (f"ip link set {PORT} down", OWN),
    "address removed": (f"ip addr del 10.9.0.1/24 dev {BRIDGE}", OWN),
    "IPv6 address removed": (f"ip addr del fd00:9::1/64 dev {BRIDGE}", OWN),
    "addresses flushed": (f"ip addr flush dev {BRIDGE}", OWN),
    "forwarding off": ("sysctl -qw net.ipv4.ip_forward=0", SWITCH),
    "IPv6 forwarding off": ("sysctl -qw net.ipv6.conf.all.forwarding=0", SWITCH),
    "forwarding of the bridge off": (f"sysctl -qw net.ipv4.conf.{BRIDGE}.forwarding=0", OWN),
    "IPv6 forwarding of the bridge off": (f"sysctl -qw net.ipv6.conf.{BRIDGE}.forwarding=0", OWN),
    "IPv6 of the bridge off": (f"sysctl -qw net.ipv6.conf.{BRIDGE}.disable_ipv6=1", OWN),
    "ruleset flushed": ("nft flush ruleset", RULES),
    "rule deleted": (f"nft delete rule inet pynet forward handle {RULE}", RULES),
    "rule added": ("nft insert rule inet pynet forward drop", RULES),
    "element deleted": (f"nft delete element inet pynet same_network {{ {BRIDGE} . {BRIDGE} }}", RULES),
    "port's element deleted": ("nft delete element inet pynet published_ports_any4 { tcp . 8080 }", RULES),
    "guard's element deleted": (f"nft delete element bridge pynet port_macs {{ {PORT} . 02:42:0a:09:00:02 }}", RULES),
    "element added": ("nft add element inet pynet internal_bridges { lan }", RULES),
}
SILENT = {
    "MTU of a port": f"ip link set {PORT} mtu 1300",
    "MTU of the bridge": f"ip link set {BRIDGE} mtu 1300",
    "MAC of the bridge": f"ip link set {BRIDGE} address 02:00:00:00:00:99",
    "alias of the bridge": f"ip link set {BRIDGE} alias mine",
    "local routes": f"sysctl -qw net.ipv4.conf.{BRIDGE}.route_localnet=0",
    "router advertisements": f"sysctl -qw net.ipv6.conf.{BRIDGE}.accept_ra=2",
    "IPv6 of a port": f"sysctl -qw net.ipv6.conf.{PORT}.disable_ipv6=0",
    "a port that learns": f"bridge link set dev {PORT} learning on",
    "group frames": f"ip link set {PORT} type bridge_slave group_fwd_mask 0",
    "another bridge": f"ip link add lan type bridge; ip link set {PORT} master lan; ip link del lan",
}


def furnish(pynet: Pynet, containers: list[Container]) -> None:
    """Two containers on a network with both families, one with a published port, and a machine outside."""
    containers += [Container(), Container(), Container()]
    connect(containers[2])
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    reference = pynet.attach(containers[0], rq.NETWORK_ID, 2)
    pynet.attach(containers[1], rq.NETWORK_ID, 3)
    containers[0].echo()
    pynet.publish(reference, "8080")


def state() -> str:
    """Links, addresses, settings and rules, without what the kernel numbers anew."""
    links = (
        f"ip -br link show {BRIDGE}; ip -br link show master {BRIDGE}; ip -br -4 addr; ip -br -6 addr show scope global"
    )
    settings = "net.ipv4.ip_forward net.ipv6.conf.all.forwarding " + " ".join(
        f"net.{family}.conf.{BRIDGE}.{name}" for family, name in (("ipv4", "route_localnet"), ("ipv6", "accept_ra"))
    )
    details = f"(ip link show {BRIDGE}; ip link show {PORT}) | grep -oE 'mtu [0-9]+|alias .*|link/ether [^ ]+'"
    flags = f"ip -d link show {PORT} | grep -oE 'learning [a-z]+|group_fwd_mask 0x[0-9a-f]+'"
    flags += f"; bridge fdb show dev {PORT} | grep static"
    listed = sh(f"({links}) | sed 's/@if[0-9]*//' | sort; {details}; {flags}; sysctl {settings}; nft list ruleset")
    return without_drops(listed)


def all_is_well(pynet: Pynet, containers: list[Container], before: str) -> None:
    """Everything is as before, and works."""
    assert state() == before
    assert pynet.survey.look(pynet.publisher.held(), idle=True)[1] == []
    assert containers[0].reaches("10.9.0.3")
    assert containers[1].reaches("192.0.2.9")
    assert host_asks("127.0.0.1", 8080) == "10.9.0.1"
    assert containers[2].asks("2001:db8::1", 8080) == "2001:db8::9"


@pytest.mark.parametrize("drift", HEARD)
def test_what_others_break_is_heard_and_repaired(pynet: Pynet, containers: list[Container], drift: str) -> None:
    """Changes by others are repaired after a notification of the kernel, and counted."""
    furnish(pynet, containers)
    before = state()
    command, kind = HEARD[drift]
    with pynet.monitor() as bell:
        sh(command)
        heard = bell.wait(5)
        assert kind in heard
        Watcher(pynet.reconciler, bell).look(heard)

    all_is_well(pynet, containers, before)
    assert pynet.reconciler.status().repairs


FOREIGN = f"""
add element inet pynet internal_bridges {{ lan comment "mine" }}
add element inet pynet subnets4 {{ lan . 10.1.0.0/16 }}
delete element inet pynet published_ports_any4 {{ tcp . 8080 }}
add element inet pynet published_ports_any4 {{ tcp . 8080 : 10.9.0.3 . 80 }}
delete element inet pynet subnets6 {{ {BRIDGE} . fd00:9::/64 }}
add element inet pynet subnets6 {{ {BRIDGE} . fd00::/16 }}
flush set bridge pynet guarded_ports
"""


def test_elements_of_others_are_mended_without_writing_the_tables(pynet: Pynet, containers: list[Container]) -> None:
    """Only elements are written, as the table keeps its handle; every kind of set and map is as before."""
    furnish(pynet, containers)
    before, handle = state(), "nft -a list table inet pynet | head -1"
    table = sh(handle)
    sh(f"echo '{FOREIGN}' | nft -f -")
    assert state() != before
    pynet.reconciler.heal(elements=True)

    all_is_well(pynet, containers, before)
    assert sh(handle) == table
    assert pynet.reconciler.reconcile() == []


@pytest.mark.parametrize("drift", SILENT)
def test_what_nobody_tells_is_found_by_looking(pynet: Pynet, containers: list[Container], drift: str) -> None:
    """The periodic survey repairs changes of which the kernel sends no clear notification."""
    furnish(pynet, containers)
    before = state()
    sh(SILENT[drift])
    assert pynet.reconciler.reconcile()

    all_is_well(pynet, containers, before)
    assert pynet.reconciler.reconcile() == []


def test_what_pynet_does_itself_does_not_ring(containers: list[Container]) -> None:
    """Pynet's own changes, of a network with an endpoint, cause no survey."""
    pynet = Pynet(memory=MEMORY)
    containers.append(Container())
    with pynet.monitor() as bell:
        pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
        reference = pynet.attach(containers[0], rq.NETWORK_ID, 2)
        heard = bell.wait(0.5)
        pynet.driver.delete_endpoint(reference)
        pynet.end()
        heard |= bell.wait(0.5)
    pynet.close()

    assert OWN not in heard


def test_a_removal_long_after_the_creation_does_not_ring() -> None:
    """A removal by pynet causes no survey, although the link is set down first."""
    pynet = Pynet(memory={**MEMORY, MADE: 0.0})
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    with pynet.monitor() as bell:
        pynet.driver.delete_network(rq.NETWORK)
        pynet.kernel.delete_links([link for link in pynet.kernel.links() if link.name == BRIDGE])
        heard = bell.wait(0.5)
    pynet.close()

    assert OWN not in heard


@pytest.mark.parametrize("alias", ["pynet/network/dead", ""])
def test_leftovers_of_a_crash_go_and_links_of_others_stay(alias: str) -> None:
    """A start removes links of a killed creation, with an alias or only a link group; others' links stay."""
    dead, pynet = Pynet(), Pynet()
    dead.kernel.add_bridge("pn-dead", "02:00:00:00:00:01", 1500)
    if alias:
        dead.kernel.set_alias("pn-dead", alias)
    sh("ip link add pn-ffffffffffff type bridge; ip link add pnhfffffffffff type veth peer name pncfffffffffff")
    others = sh("ip -br link show | grep -v pn-dead | cut -d' ' -f1 | sort")
    pynet.reconciler.recover()
    pynet.end()
    dead.close()
    pynet.close()

    assert sh("ip -br link show | cut -d' ' -f1 | sort") == others


def test_a_users_bridge_keeps_what_is_its_users(pynet: Pynet, containers: list[Container]) -> None:
    """A user's bridge keeps its alias, MTU and addresses; only pynet's gateway address is repaired."""
    sh("ip link add br-mine type bridge; ip addr add 192.168.7.1/24 dev br-mine")
    options = {"com.docker.network.bridge.name": "br-mine"}
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", options=options))
    containers.append(Container())
    pynet.attach(containers[0], rq.NETWORK_ID, 2)
    sh("ip link set br-mine alias office mtu 1400; ip addr del 10.9.0.1/24 dev br-mine; ip link set br-mine down")
    kinds = [repair.kind for repair in pynet.reconciler.reconcile()]

    assert kinds == ["LinkDown", "AddressMissing"]
    assert containers[0].reaches("10.9.0.1")
    assert "alias office" in sh("ip link show br-mine")
    assert "192.168.7.1/24" in sh("ip -4 addr show br-mine")
    pynet.end()
    assert "br-mine" in sh("ip link")


def test_after_a_reboot_a_network_is_whole_again(pynet: Pynet, containers: list[Container]) -> None:
    """After a reboot the network is made again from the store, and a container that starts gets its port."""
    furnish(pynet, containers)
    sh(f"ip link del {BRIDGE}; ip link del {PORT}; ip link del {OTHER}; nft flush ruleset")
    sh("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0")
    pynet.close()
    again = Pynet(pynet.store)
    again.reconciler.recover()
    for item in again.store.list(Tombstone):
        again.reaper.clear(item.record.link)
    containers += [Container()]
    reference = again.attach(containers[-1], rq.NETWORK_ID, 4)
    again.publish(reference, "8080")
    containers[-1].echo()

    assert host_asks("127.0.0.1", 8080) == "10.9.0.1"
    assert containers[-1].reaches("192.0.2.9")
    assert again.survey.look(again.publisher.held(), idle=True)[1] == []
    again.close()
