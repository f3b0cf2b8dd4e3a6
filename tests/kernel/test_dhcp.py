"""Addresses from real servers of DHCP, on a LAN of namespaces."""

import threading
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

import pytest

from netlink.arp_probe import ArpLink
from netlink.dhcp_link import DhcpLink
from netlink.errors import Missing
from plugin.dhcp.model import ClientIdentity, Lease4, NoAddress, NoServer
from plugin.dhcp.runner import DhcpClient
from tests.kernel.lan_site import NEIGHBOUR, POOL, ROUTER, UPLINK, DhcpServer, LanSite, in_pool, until

PATIENCE = 15.0  # seconds
MANY = ("192.168.50.10", "192.168.50.249")


def identity(number: int) -> ClientIdentity:
    """Return the identity of container ``number``."""
    return ClientIdentity(
        f"02:42:00:00:{number >> 8:02x}:{number & 255:02x}", b"\0pynet:net:%d" % number, f"ct{number}"
    )


@pytest.fixture
def client() -> Iterator[DhcpClient]:
    """Return a client; its thread ends after the test."""
    client = DhcpClient(DhcpLink, ArpLink)
    yield client
    client.stop()


def at_once(client: DhcpClient, numbers: Sequence[int], patience: float = PATIENCE) -> list[Lease4]:
    """Let containers ask for leases at the same time, and return those that they got."""
    found: list[Lease4] = []
    ask = lambda number: found.append(client.acquire(UPLINK, identity(number), None, None, patience))  # noqa: E731
    threads = [threading.Thread(target=ask, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("kind", ["dnsmasq", "udhcpd", "dhcpd"])
def test_a_lease_and_its_end(lan: LanSite, client: DhcpClient, kind: str) -> None:
    """Each server gives a lease with its options, the same again to the same client, and hears of its release."""
    server: DhcpServer = getattr(lan, kind)()
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    assert in_pool(lease.address.ip)
    assert str(lease.address.netmask) == "255.255.255.0"
    assert lease.router == lease.server == IPv4Address(ROUTER)
    assert client.acquire(UPLINK, identity(1), None, lease, PATIENCE).address == lease.address
    if kind != "udhcpd":
        assert server.leases()[str(lease.address.ip)] == (identity(1).mac, "ct1")
        client.drop(UPLINK, identity(1), release=lease)
        until(lambda: not server.leases())


def test_a_wish_and_no_server(lan: LanSite, client: DhcpClient) -> None:
    """A wished address is given or refused with a sentence; without a server and without a link there is one too."""
    server = lan.dnsmasq()
    assert client.acquire(UPLINK, identity(1), IPv4Address(POOL[1]), None, PATIENCE).address.ip == IPv4Address(POOL[1])
    with pytest.raises(NoAddress, match=f"gives '.*' instead of '{NEIGHBOUR}'"):
        client.acquire(UPLINK, identity(2), IPv4Address(NEIGHBOUR), None, PATIENCE)
    server.stop()
    with pytest.raises(NoServer, match="no DHCP server answered on link 'eth0' within 1 s"):
        client.acquire(UPLINK, identity(3), None, None, 1)
    with pytest.raises(Missing, match="link 'gone'"):
        client.acquire("gone", identity(4), None, None, PATIENCE)


def test_an_address_that_somebody_has(lan: LanSite, client: DhcpClient) -> None:
    """An address that answers a probe is declined, and the next one taken."""
    lan.dnsmasq("--dhcp-sequential-ip")
    squatter = lan.machine(f"{POOL[0]}/24")
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    assert lease.address.ip == IPv4Address(POOL[0]) + 1
    assert squatter.reaches(ROUTER)


def test_an_empty_pool(lan: LanSite, client: DhcpClient) -> None:
    """Whoever comes too late gets no address, until one is given back."""
    lan.dhcpd(pool=(POOL[0], POOL[0]), seconds=60)
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    with pytest.raises(NoServer):
        client.acquire(UPLINK, identity(2), None, None, 2)
    client.drop(UPLINK, identity(1), release=lease)
    assert client.acquire(UPLINK, identity(2), None, None, PATIENCE).address == lease.address


def test_two_hundred_at_once(lan: LanSite, client: DhcpClient) -> None:
    """Two hundred containers get two hundred addresses with one socket, and the server knows all of them."""
    server = lan.dnsmasq(pool=MANY)
    found = at_once(client, range(200))
    assert len({lease.address for lease in found}) == len(server.leases()) == 200


@pytest.mark.parametrize("kind", ["dnsmasq", "dhcpd"])
def test_through_a_relay(lan: LanSite, client: DhcpClient, kind: str) -> None:
    """A server of another subnet gives a lease, and hears of its release."""
    server: DhcpServer = getattr(lan, kind)(machine=lan.remote, seconds=120)
    lan.relay()
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    assert in_pool(lease.address.ip)
    client.drop(UPLINK, identity(1), release=lease)
    until(lambda: not server.leases())
