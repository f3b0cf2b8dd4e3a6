"""Addresses from real servers of DHCP, on a LAN of namespaces."""

import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address

import pytest

from netlink.arp_probe import ArpLink
from netlink.dhcp_link import DhcpLink, Ends
from netlink.errors import KernelError, Missing
from plugin.dhcp.model import Lease4, NoAddress, NoServer
from plugin.dhcp.runner import DhcpClient
from tests.kernel.container import Container, sh
from tests.kernel.dhcp import MANY, PATIENCE, at_once, at_t1, at_t2, ended, identity, on_bridge, on_macvlan
from tests.kernel.lan_site import NEIGHBOUR, POOL, ROUTER, UPLINK, DhcpServer, LanSite, in_pool, until
from tests.kernel.packets import SCRIPT, udp

Heard = list[Lease4 | None]


@pytest.fixture
def client() -> Iterator[DhcpClient]:
    """Return a client; its thread ends after the test."""
    client = DhcpClient(DhcpLink, ArpLink)
    yield client
    client.stop()


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
    assert len({lease.address for lease, _ in found.values()}) == len(server.leases()) == 200


@pytest.mark.parametrize("kind", ["dnsmasq", "dhcpd"])
def test_through_a_relay(lan: LanSite, client: DhcpClient, kind: str) -> None:
    """A server of another subnet gives a lease, and hears of its release."""
    server: DhcpServer = getattr(lan, kind)(machine=lan.remote, seconds=120)
    lan.relay()
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    assert in_pool(lease.address.ip)
    client.drop(UPLINK, identity(1), release=lease)
    until(lambda: not server.leases())


def renewed(client: DhcpClient, link: str, lease: Lease4, hear: str = "") -> Lease4:
    """Keep a lease of container 1 until it is renewed, and return the new one."""
    heard: Heard = []
    client.keep(link, identity(1), lease, heard.append, hear)
    until(lambda: heard)
    assert heard[0] is not None
    return heard[0]


def threads() -> list[str]:
    """Return the names of the client's threads."""
    return [thread.name for thread in threading.enumerate() if thread.name == "dhcp"]


@pytest.mark.parametrize("kind", ["dnsmasq", "dhcpd", "udhcpd"])
def test_renewal_of_a_container_on_macvlan(
    lan: LanSite, client: DhcpClient, containers: list[Container], kind: str
) -> None:
    """A lease is renewed by its server at T1 and by any server at T2, while the container has the link."""
    getattr(lan, kind)()
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    containers.append(Container())
    on_macvlan(containers[0], 1, lease)
    assert containers[0].reaches(ROUTER)
    assert renewed(client, UPLINK, at_t1(lease)).taken >= lease.taken
    assert renewed(client, UPLINK, at_t2(lease)).address == lease.address


@pytest.mark.parametrize("kind", ["dnsmasq", "dhcpd"])
def test_renewal_of_a_container_on_a_bridge(
    lan: LanSite, client: DhcpClient, containers: list[Container], kind: str
) -> None:
    """On a bridge the answer to a renewal is heard on its way into the container."""
    sh(f"ip link add br0 type bridge; ip link set {UPLINK} master br0; ip link set br0 up")
    getattr(lan, kind)()
    lease = client.acquire("br0", identity(1), None, None, PATIENCE)
    containers.append(Container())
    port = on_bridge(containers[0], 1, lease)
    assert containers[0].reaches(ROUTER)
    assert renewed(client, "br0", at_t1(lease), port).taken >= lease.taken
    assert renewed(client, "br0", at_t2(lease), port).address == lease.address


def test_a_container_cannot_play_its_own_server(lan: LanSite, client: DhcpClient, containers: list[Container]) -> None:
    """Frames of a container itself are not heard on its link, so it cannot grant itself a lease."""
    sh(f"ip link add br0 type bridge; ip link set {UPLINK} master br0; ip link set br0 up")
    lan.dnsmasq()
    lease = client.acquire("br0", identity(1), None, None, PATIENCE)
    containers.append(Container())
    port = on_bridge(containers[0], 1, lease)
    with closing(DhcpLink(port, outgoing=True)) as outgoing, closing(DhcpLink(port)) as incoming:
        grant = udp((str(lease.address.ip), 67), (ROUTER, 68), "x")
        containers[0].sh(f"{sys.executable} {SCRIPT} send {grant.hex()}")
        until(incoming.receive)
        assert outgoing.receive() == []


def test_an_answer_to_the_mac_of_a_client_is_heard_on_a_bridge(lan: LanSite) -> None:
    """Kea answers so, though it is asked to answer to all; a bridge keeps frames to machines that it does not know."""
    sh(f"ip link add br0 type bridge; ip link set {UPLINK} master br0; ip link set br0 up")
    lan.router.sh(f"ip neigh add {POOL[0]} lladdr {identity(1).mac} dev eth0")
    answer = udp((ROUTER, 67), (POOL[0], 68), "x")
    with closing(DhcpLink("br0")) as link:
        link.send(Ends(identity(1).mac), b"")

        def heard() -> object:
            """Answer again and again, as the ports of a new bridge do not forward at once."""
            lan.router.sh(f"{sys.executable} {SCRIPT} send {answer.hex()}")
            return link.receive()

        until(heard)


def test_a_lease_that_ended_while_nobody_looked(lan: LanSite, client: DhcpClient, containers: list[Container]) -> None:
    """A lease that has ended is said to be lost, and the address is asked for again, though the container has it."""
    lan.dnsmasq()
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    containers.append(Container())
    on_macvlan(containers[0], 1, lease)
    heard: Heard = []
    client.keep(UPLINK, identity(1), ended(lease), heard.append)
    until(lambda: len(heard) == 2)
    assert heard[0] is None
    assert heard[1] is not None
    assert heard[1].address == lease.address


def test_a_server_with_another_range(lan: LanSite, client: DhcpClient, containers: list[Container]) -> None:
    """A server that refuses the renewal ends the lease, and gives one of its new range."""
    server = lan.dnsmasq()
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    containers.append(Container())
    on_macvlan(containers[0], 1, lease)
    server.stop()
    lan.dnsmasq(pool=("192.168.50.20", "192.168.50.30"))
    heard: Heard = []
    client.keep(UPLINK, identity(1), at_t1(lease), heard.append)
    until(lambda: len(heard) == 2)
    assert heard[0] is None
    assert heard[1] is not None
    assert in_pool(heard[1].address.ip, ("192.168.50.20", "192.168.50.30"))


def test_a_second_address_in_use_by_an_own_container(lan: LanSite, client: DhcpClient) -> None:
    """A server that gives one address twice is not believed, although no probe reaches the first container."""
    first = lan.dnsmasq(pool=(POOL[0], POOL[0]))
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    client.keep(UPLINK, identity(1), lease, lambda _: None)
    first.stop()
    lan.dnsmasq(pool=(POOL[0], POOL[0]))
    with pytest.raises(NoAddress, match=f"gives '{POOL[0]}', which the machine with MAC {identity(1).mac} has"):
        client.acquire(UPLINK, identity(2), None, None, 1.5)


def test_no_thread_and_no_socket_without_work(lan: LanSite, client: DhcpClient) -> None:
    """A kept lease has a thread that sleeps and no socket; without a lease there is no thread."""
    lan.dnsmasq()
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    until(lambda: not threads())
    client.keep(UPLINK, identity(1), lease, lambda _: None)
    assert threads()
    assert UPLINK not in sh("ss -Hl0p")
    client.drop(UPLINK, identity(1), release=None)
    until(lambda: not threads())


def test_a_link_that_comes_back(lan: LanSite, client: DhcpClient) -> None:
    """A lease is renewed after its link was down and up again."""
    lan.dnsmasq()
    lease = client.acquire(UPLINK, identity(1), None, None, PATIENCE)
    heard: Heard = []
    sh(f"ip link set {UPLINK} down")
    with pytest.raises(KernelError, match="send DHCP on link 'eth0': network is down"):
        client.acquire(UPLINK, identity(2), None, None, PATIENCE)
    client.keep(UPLINK, identity(1), ended(lease), heard.append)
    until(lambda: heard == [None])
    sh(f"ip link set {UPLINK} up")
    until(lambda: len(heard) == 2)
