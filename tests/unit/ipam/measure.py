"""Prints what addresses and pools cost on this machine: ``python -m tests.unit.ipam.measure``."""

import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from pathlib import Path
from statistics import median

from netlink.routes import HostNetworks
from plugin.ipam.allocator import AddressPool
from plugin.ipam.driver import Ipam
from plugin.ipam.supernets import parse_supernets
from plugin.protocol.messages import ReleasePool
from plugin.store.sqlite.store import SqliteStore
from tests.unit.ipam.parts import Host, address, pool


def report(what: str, call: Callable[[], object], times: int) -> None:
    """Print the median and the worst time of ``times`` calls."""
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        spent.append((time.perf_counter() - begin) * 1000)
    print(f"| {what} | {median(spent):.3f} | {max(spent):.3f} |")


def measure_allocator() -> None:
    """Time the pure code."""
    base = int(ip_address("10.0.0.0"))
    for name, numbers in (
        ("anywhere", random.Random(7).sample(range(1, 65535), 60_000)),
        ("in one run", range(1, 60_001)),
    ):
        taken = [base + number for number in numbers]
        full = AddressPool(ip_network("10.0.0.0/16"), taken=taken)
        report(f"next address of a /16 with 60,000 leases {name}", full.take, 2000)
    report("next address of a /64", AddressPool(ip_network("fd00::/64")).take, 2000)


def measure_manager(ipam: Ipam) -> None:
    """Time whole requests, with their commits."""
    report("any pool, the first 1,990", lambda: pool(ipam), 1990)
    report("any pool, with 1,990 others and 500 networks of the host", lambda: pool(ipam), 20)
    report("a pool that is named", lambda: pool(ipam, f"192.168.{random.randrange(256)}.0/30"), 1)
    given = pool(ipam, "172.16.0.0/16").pool_id
    report("an address", lambda: address(ipam, given), 500)
    with ThreadPoolExecutor(300) as threads:
        report("300 addresses by 300 threads", lambda: list(threads.map(lambda _: address(ipam, given), range(300))), 5)
    report("release of a pool with 2,000 leases", lambda: ipam.release_pool(ReleasePool(given)), 1)


def main() -> None:
    """Print a table."""
    print("| | median ms | worst ms |\n|---|---|---|")
    measure_allocator()
    host = Host(*(f"172.{24 + number // 250}.{number % 250}.0/25" for number in range(500)))
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "pynet.db")
        measure_manager(Ipam(store, host, parse_supernets("", "machine")))
        store.close()
    report("networks of this host", HostNetworks().in_use, 20)


if __name__ == "__main__":
    main()
