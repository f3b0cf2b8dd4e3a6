"""Clients of DHCP on the LAN of the tests, and containers that use their leases."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from plugin.dhcp.model import ClientIdentity, Lease4
from plugin.dhcp.runner import DhcpClient
from tests.kernel.container import Container, sh
from tests.kernel.lan_site import UPLINK

PATIENCE = 15.0  # seconds
MANY = ("192.168.50.10", "192.168.50.249")


def identity(number: int) -> ClientIdentity:
    """Return the identity of container ``number``."""
    return ClientIdentity(f"02:42:00:00:{number >> 8:02x}:{number & 255:02x}", b"\0net:%d" % number, f"ct{number}")


def at_once(client: DhcpClient, numbers: Sequence[int], patience: float = PATIENCE) -> dict[int, tuple[Lease4, float]]:
    """Let containers ask for leases at the same time; return those that they got, and after how many seconds."""
    found: dict[int, tuple[Lease4, float]] = {}

    def ask(number: int) -> None:
        begin = time.monotonic()
        lease = client.acquire(UPLINK, identity(number), None, None, patience)
        found[number] = lease, time.monotonic() - begin

    threads = [threading.Thread(target=ask, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def on_macvlan(container: Container, number: int, lease: Lease4, name: str = "eth0") -> None:
    """Give a container a macvlan child of the uplink, with its lease."""
    sh(f"ip link add mv{number} link {UPLINK} address {identity(number).mac} type macvlan mode bridge")
    sh(f"ip link set mv{number} netns {container.pid} name {name}")
    container.sh(f"ip addr add {lease.address} dev {name}; ip link set {name} up")


def on_bridge(container: Container, number: int, lease: Lease4) -> str:
    """Give a container a port of bridge br0, with its lease; return the host's end."""
    sh(f"ip link add pnh{number} type veth peer name eth0 address {identity(number).mac} netns {container.pid}")
    sh(f"ip link set pnh{number} master br0 up")
    container.sh(f"ip addr add {lease.address} dev eth0; ip link set eth0 up")
    return f"pnh{number}"


def at_t1(lease: Lease4) -> Lease4:
    """Return a lease that is to be renewed now."""
    return replace(lease, taken=lease.taken - lease.t1)


def at_t2(lease: Lease4) -> Lease4:
    """Return a lease for which every server is to be asked now."""
    return replace(lease, taken=lease.taken - lease.t2)


def ended(lease: Lease4) -> Lease4:
    """Return a lease that has ended."""
    return replace(lease, taken=lease.taken - lease.lasts)
