"""Leases over minutes, and figures: ``make test-dhcp`` runs this and prints them."""

import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from netlink.arp_probe import ArpLink
from netlink.dhcp_link import DhcpLink
from plugin.dhcp.model import Lease4
from plugin.dhcp.runner import DhcpClient
from tests.kernel.container import Container
from tests.kernel.dhcp import MANY, at_once, identity, on_macvlan
from tests.kernel.lan_site import UPLINK, LanSite

LEASE = 6  # seconds
NUMBERS = range(1, 21)
BACK = 45.0  # seconds after which a lost lease is there again: the longest pause is 40 s
PATIENCE = 60.0  # seconds
Heard = dict[int, list[Lease4 | None]]


@pytest.fixture
def client() -> Iterator[DhcpClient]:
    """Return a client; its thread ends after the test."""
    client = DhcpClient(DhcpLink, ArpLink)
    yield client
    client.stop()


def kept(client: DhcpClient, container: Container) -> Heard:
    """Let twenty links of a container have leases that are kept; return what is heard of each."""
    container.sh("sysctl -qw net.ipv4.conf.all.arp_ignore=1")
    heard: Heard = {number: [] for number in NUMBERS}
    for number, (lease, _) in at_once(client, NUMBERS).items():
        on_macvlan(container, number, lease, f"e{number}")
        client.keep(UPLINK, identity(number), lease, partial(list.append, heard[number]))
    return heard


def cpu() -> float:
    """Return the CPU seconds of this process."""
    return time.process_time()


@pytest.mark.timeout(200)
def test_ten_lease_times(lan: LanSite, client: DhcpClient, containers: list[Container]) -> None:
    """Twenty leases of six seconds are renewed for ten lease times, and none is lost."""
    lan.dhcpd(seconds=LEASE)
    containers.append(Container())
    heard, begin = kept(client, containers[0]), cpu()
    time.sleep(10 * LEASE)
    renewals = sum(map(len, heard.values()))
    print(f"\n20 leases of {LEASE} s for {10 * LEASE} s: {renewals} renewals, {cpu() - begin:.3f} s CPU")
    assert not [number for number, leases in heard.items() if None in leases]
    assert min(map(len, heard.values())) >= 10


@pytest.mark.timeout(200)
def test_a_server_away_for_three_lease_times(lan: LanSite, client: DhcpClient, containers: list[Container]) -> None:
    """Each lease is said to be lost once, and is back with the same address after the server is."""
    server = lan.dhcpd(seconds=LEASE)
    containers.append(Container())
    heard = kept(client, containers[0])
    before = {mac: address for address, (mac, _) in server.leases().items()}
    server.stop()
    time.sleep(3 * LEASE)
    lost = [leases.count(None) for leases in heard.values()]
    server.start()
    begin = time.monotonic()
    while not all(leases and leases[-1] for leases in heard.values()) and time.monotonic() < begin + BACK:
        time.sleep(0.1)
    print(f"\nserver away for {3 * LEASE} s: all leases back {time.monotonic() - begin:.1f} s after it")
    assert lost == [1] * len(NUMBERS)
    after = {identity(number).mac: str(leases[-1].address.ip) for number, leases in heard.items() if leases[-1]}
    assert after == before


@pytest.mark.parametrize("kind", ["dnsmasq", "dhcpd"])
@pytest.mark.parametrize("number", [1, 20, 200])
def test_time_to_a_lease(lan: LanSite, client: DhcpClient, kind: str, number: int) -> None:
    """Everybody gets an address; the times are printed, with half a second of them for the probes."""
    server = getattr(lan, kind)(pool=MANY, seconds=300)
    begin = cpu()
    found = at_once(client, range(number), PATIENCE)
    times = sorted(seconds for _, seconds in found.values())
    print(
        f"\n{kind}, {number} at once: median {statistics.median(times):.3f} s, worst {times[-1]:.3f} s, "
        f"{(cpu() - begin) / number * 1000:.2f} ms CPU each"
    )
    assert len({lease.address for lease, _ in found.values()}) == number
    assert len(server.leases()) == number


def test_memory_of_kept_leases(lan: LanSite, client: DhcpClient) -> None:
    """Ten thousand kept leases have no socket, and cost some kilobytes each and no CPU."""
    lan.dnsmasq()
    lease = client.acquire(UPLINK, identity(0), None, None, PATIENCE)
    before, files = resident(), len(list(Path("/proc/self/fd").iterdir()))
    for number in range(10_000):
        client.keep(UPLINK, identity(number), lease, lambda _: None)
    client.drop(UPLINK, identity(0), release=None)  # the thread has taken all calls then
    after, begin = resident(), cpu()
    time.sleep(5)
    print(f"\n10,000 kept leases: {(after - before) / 10_000:.2f} KB each, {(cpu() - begin) / 5 * 100:.2f} % CPU")
    assert len(list(Path("/proc/self/fd").iterdir())) <= files + 2


def resident() -> int:
    """Return the resident memory of this process in KB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
