"""The LAN of the tests is one: its machines reach each other, and its servers give addresses to a known client."""

import subprocess
from ipaddress import IPv4Address

import pytest

from tests.kernel.container import sh
from tests.kernel.lan_site import NEIGHBOUR, REMOTE, LanSite, in_pool, until

UDHCPC = "busybox udhcpc -f -q -n -T 1 -i eth0 -s /bin/true -x hostname:ct1"


def given(tries: int = 10) -> str:
    """Return the address that busybox's client was given on the host's link, after up to so many seconds."""
    done = subprocess.run([*UDHCPC.split(), "-t", str(tries)], capture_output=True, text=True, timeout=20, check=False)
    return done.stderr.split("lease of ")[1].split()[0] if "lease of " in done.stderr else done.stderr


def test_machines_of_both_subnets_reach_each_other(lan: LanSite) -> None:
    """A host reaches its neighbour, and by way of the router the machine of the other subnet."""
    sh("ip addr add 192.168.50.7/24 dev eth0; ip route add default via 192.168.50.1")
    assert lan.neighbour.reaches("192.168.50.7")
    assert lan.remote.reaches("192.168.50.7")
    assert lan.neighbour.reaches(REMOTE)
    assert lan.remote.reaches(NEIGHBOUR)
    assert lan.neighbour.reaches("fd00:60::9")


@pytest.mark.parametrize("kind", ["dnsmasq", "udhcpd", "dhcpd"])
def test_servers_give_addresses(lan: LanSite, kind: str) -> None:
    """Each server gives busybox's client an address of its pool."""
    server = getattr(lan, kind)()
    address = given()
    assert in_pool(IPv4Address(address))
    if kind != "udhcpd":
        assert {found: lease.name for found, lease in server.leases().items()} == {address: "ct1"}


def test_a_server_that_is_away(lan: LanSite) -> None:
    """A server that was stopped gives nothing until it is started again."""
    server = lan.dnsmasq()
    server.stop()
    assert "no lease" in given(2)
    server.start()
    assert in_pool(IPv4Address(given()))


@pytest.mark.parametrize("kind", ["dnsmasq", "dhcpd"])
def test_a_server_behind_a_relay(lan: LanSite, kind: str) -> None:
    """A server of the other subnet gives addresses of the LAN by way of the router."""
    getattr(lan, kind)(machine=lan.remote)
    lan.relay()
    assert in_pool(IPv4Address(given()))


def test_router_advertisements(lan: LanSite) -> None:
    """A machine without an address makes one of the prefix that the router tells."""
    lan.advertise()
    machine = lan.machine()
    until(lambda: "fd00:50:" in machine.sh("ip -6 addr show dev eth0"))
