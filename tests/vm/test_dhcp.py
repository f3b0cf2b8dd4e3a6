"""Addresses by DHCP on VLANs and for containers on ipvlan."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from netlink.arp_probe import ArpLink
from netlink.dhcp_link import DhcpLink
from plugin.dhcp.model import Lease4, NoServer
from plugin.dhcp.runner import DhcpClient
from tests.kernel.container import Container, sh
from tests.kernel.dhcp import at_t1, at_t2, identity
from tests.kernel.lan_site import ROUTER, UPLINK, LanSite, until

PATIENCE = 30.0  # seconds, on a processor that is emulated


@pytest.fixture
def client() -> Iterator[DhcpClient]:
    """Return a client; its thread ends after the test."""
    client = DhcpClient(DhcpLink, ArpLink)
    yield client
    client.stop()


def test_a_lease_of_a_vlan(lan: LanSite, client: DhcpClient, containers: list[Container]) -> None:
    """A lease comes from the VLAN's server and is renewed there; the untagged LAN hears nothing of it."""
    lan.dnsmasq(machine=lan.on_vlan(50))
    sh(f"ip link add link {UPLINK} name eth0.50 type vlan id 50; ip link set eth0.50 up")
    with closing(DhcpLink(UPLINK)) as untagged:
        lease = client.acquire("eth0.50", identity(1), None, None, PATIENCE)
        assert untagged.receive() == []
    with pytest.raises(NoServer):
        client.acquire(UPLINK, identity(2), None, None, 3)
    containers.append(Container())
    sh(f"ip link add mv1 link eth0.50 address {identity(1).mac} type macvlan mode bridge")
    containers[0].take("mv1", f"ip addr add {lease.address} dev eth0")
    assert containers[0].reaches(ROUTER)
    _renew(client, "eth0.50", identity(1).mac, lease)


def test_leases_of_containers_on_ipvlan(lan: LanSite, client: DhcpClient, containers: list[Container]) -> None:
    """Containers with the MAC of their parent get different addresses by their client ids, and renew them."""
    lan.dnsmasq()
    mac = sh(f"ip -o link show {UPLINK} | grep -o 'ether [^ ]*'").split()[1]
    leases = [client.acquire(UPLINK, replace(identity(n), mac=mac), None, None, PATIENCE) for n in (1, 2)]
    assert leases[0].address != leases[1].address
    containers.append(Container())
    sh(f"ip link add iv1 link {UPLINK} type ipvlan mode l2")
    containers[0].take("iv1", f"ip addr add {leases[0].address} dev eth0")
    assert containers[0].reaches(ROUTER)
    _renew(client, UPLINK, mac, leases[0])


def _renew(client: DhcpClient, link: str, mac: str, lease: Lease4) -> None:
    """Renew a lease of container 1 by its server, and by any server."""
    for old in (at_t1(lease), at_t2(lease)):
        heard: list[Lease4 | None] = []
        client.keep(link, replace(identity(1), mac=mac), old, heard.append)
        until(heard.copy)
        assert [new.address for new in heard if new] == [lease.address]
