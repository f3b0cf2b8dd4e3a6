"""The doctor on a real kernel: it finds problems and changes nothing."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from ipaddress import IPv4Address, IPv4Interface, ip_network
from pathlib import Path

import pytest

from plugin.doctor.facts import Crossing, EngineFacts, Facts, Listener, Wall
from plugin.doctor.probe import Places, Told, gather
from plugin.ipam.supernets import parse_supernets
from plugin.model.records import Endpoint, Network, NetworkSubnet
from plugin.policy.answers import ResolvedName, SeenAddress
from plugin.store.base import Put
from plugin.store.sqlite.store import SqliteStore
from tests.kernel.container import sh

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
Look = Callable[[], Facts]
POOL = "10.9.0.0/24"


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Gather the facts of the namespace of the test."""
    tmp_path.chmod(0o700)
    places = Places(tmp_path / "pynet.sock", tmp_path / "pynet.db", parse_supernets("", "machine"))
    return lambda: gather(places, Told(EngineFacts("28.5.2")))


def test_this_kernel_has_what_pynet_needs(look: Look) -> None:
    """Every feature of this kernel is tried and works, and no link or table is left."""
    facts = look()
    assert len(facts.features) >= 8
    assert not any(facts.features.values())
    assert (facts.missing_capabilities, facts.unlimited, facts.listener) == ((), "", Listener.NOTHING)
    assert [link for link in sh("ip -o link").splitlines() if "lo:" not in link] == []
    assert sh("nft list ruleset").strip() == ""


def test_limits_and_names_of_hosts_are_found_in_records(look: Look, tmp_path: Path) -> None:
    """A network with a limit is named, and a name in a policy until it has an address."""
    limited = Network("a1" * 32, "bridge", "pn-a1a1a1a1a1a1", options={"pynet.rate_in": "10mbit"})
    opts = {"pynet.egress": "deny", "pynet.allow_out": "dns:x.example tcp/443"}
    store = SqliteStore(tmp_path / "pynet.db")
    store.transact(Put(limited), Put(Endpoint("e0" * 32, limited.id, "02:00:00:00:00:01", driver_opts=opts)))
    before = look()
    store.transact(Put(ResolvedName("x.example", (SeenAddress(IPv4Address("192.0.2.1"), 1),))))

    assert (before.limited, before.unresolved, look().unresolved) == ((limited.id,), ("x.example",), ())
    store.close()


def test_the_ports_of_a_bridge_are_counted(look: Look) -> None:
    """The ports of a bridge are counted, and its subnet is in use by the host."""
    sh("ip link add pn-1 type bridge; ip link set pn-1 up; ip addr add 10.9.0.1/24 dev pn-1")
    sh("for i in 1 2 3; do ip link add h$i type veth peer name c$i; ip link set h$i master pn-1; done")
    facts = look()
    assert facts.ports == {"pn-1": 3}
    assert POOL in map(str, facts.host_networks)


def test_other_firewalls_are_seen(look: Look) -> None:
    """A chain of another firewall that drops is named; firewalld and ufw are not in the way."""
    sh("nft 'add table inet mine; add chain inet mine f { type filter hook forward priority 5; policy drop; }'")
    sh("nft 'add table ip filter; add chain ip filter ufw-before-forward; add table inet firewalld'")
    sh("nft 'add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; }'")
    assert look().walls == (Wall("inet mine f", Crossing.OUT),)


def test_a_legacy_firewall_is_seen(look: Look, tmp_path: Path) -> None:
    """A dropping iptables-legacy chain is found until it lets pynet's bridges and questions to its resolver pass."""
    subnet = NetworkSubnet(ip_network(POOL), IPv4Interface("10.9.0.1/24"))
    named = Network("a" * 64, "bridge", "pn-a", options={"pynet.dns": "on"}, subnets=(subnet,))
    store = SqliteStore(tmp_path / "pynet.db")
    store.transact(Put(named))
    store.close()
    sh("iptables-legacy -P FORWARD DROP; iptables-legacy -P INPUT DROP")
    facts = look()
    assert facts.legacy_drop == facts.legacy_mute == {4}
    sh("iptables-legacy -I FORWARD -i pn-+ -j ACCEPT; iptables-legacy -I INPUT -p udp --dport 5359 -j ACCEPT")
    facts = look()
    assert facts.legacy_drop == facts.legacy_mute == frozenset()


def test_the_state_says_what_it_needs(look: Look, tmp_path: Path) -> None:
    """The state tells which networks need forwarding and which pools are pynet's; a newer state is named."""
    store = SqliteStore(tmp_path / "pynet.db")
    store.transact(Put(Network("a" * 64, "bridge", "pn-a", subnets=(NetworkSubnet(ip_network(POOL)),))))
    store.close()
    facts = look()
    assert facts.state.routed == {4}
    assert (facts.state.problem, facts.state.open_to_others) == ("", False)
    assert list(map(str, facts.own_pools)) == [POOL]
    with closing(sqlite3.connect(tmp_path / "pynet.db")) as database:
        database.execute("PRAGMA user_version = 99")
    assert "written by a newer pynet (version 99" in look().state.problem
