"""Measures an etcd under a thousand simulated hosts: ``HOSTS=1000 ENDPOINTS=10000 python -m bench.thousand``.

One network spans all hosts, ``NETWORKS`` others thirty each. A light host is its records, its lease and its watches,
by the product's own store; ``bench.hosts`` with the same ``HOSTS`` measures a whole host. Figures are counts, bytes and
CPU time of etcd, because other work on the machine changes seconds of the clock.
"""

import asyncio
import json
import os
import resource
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from ipaddress import IPv4Interface, ip_address, ip_network
from pathlib import Path
from typing import Any

import structlog

from bench.cluster import opened
from bench.hosts import BATCH, RESULTS, store_elsewhere
from bench.light import LightHost, Watcher
from plugin.cluster.addresses.records import ClusterLease, PoolUse
from plugin.cluster.overlay.records import AddressClaim, ClusterNetwork, Member, Peer
from plugin.model.records import Pool
from plugin.store.base import ClusterStore, Put, Record
from tests.cluster.servers import Etcd

HOSTS, ENDPOINTS = int(os.environ.get("HOSTS", "1000")), int(os.environ.get("ENDPOINTS", "10000"))
NETWORKS, SPAN = int(os.environ.get("NETWORKS", "100")), 30
EVENTS, PAUSE = 50, 0.1  # endpoints that come, and seconds between two of them
BURST = 8  # writers that write as fast as etcd lets them
TICK = os.sysconf("SC_CLK_TCK")
POOL = ip_network("10.0.0.0/8")


def peer(number: int) -> Peer:
    """Return an endpoint of the network of all hosts."""
    address = IPv4Interface((0x0A090000 + number, 8))
    return Peer("blue", f"{number:064x}", f"h{number % HOSTS}", f"02:42:{address.ip.packed.hex(':')}", address)


def endpoint(number: int) -> Sequence[Record]:
    """Return all records of an endpoint."""
    own = peer(number)
    address = own.addresses[0]
    lease = ClusterLease(f"blue/{POOL}", address, own.host, f"{number:08x}")
    return own, AddressClaim("blue", address, own.endpoint, own.host), lease


def membership(network: str, number: int) -> Sequence[Record]:
    """Return the records of a host that has a network."""
    at = ip_address("198.18.0.0") + number
    return Member(network, f"h{number}", "d4" * 32, at), PoolUse(f"{network}/{POOL}", f"h{number}", "t", POOL)


def write(store: ClusterStore, records: Sequence[Record]) -> None:
    """Write records, many in a transaction."""
    for start in range(0, len(records), BATCH):
        store.transact(*map(Put, records[start : start + BATCH]))


def fill(store: ClusterStore) -> int:
    """Write the records of all hosts; return how many there are."""
    networks = [("blue", range(HOSTS))]
    networks += [(f"n{number}", range(number, number + SPAN)) for number in range(NETWORKS)]
    records: list[Record] = []
    for vni, (name, hosts) in enumerate(networks, 5000):
        records += [ClusterNetwork(name, vni, 4789, 1450), Pool(f"{name}/{POOL}", POOL)]
        for number in hosts:
            records += membership(name, number % HOSTS)
    for number in range(ENDPOINTS):
        records += endpoint(number)
    write(store, records)
    return len(records)


class Server:
    """etcd, from outside."""

    def __init__(self, etcd: Etcd) -> None:
        self._pid, self._port = etcd.servers[0].pid, etcd.servers[0].port

    def cpu(self) -> float:
        """Return its seconds of CPU."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def megabytes(self) -> float:
        """Return its resident memory."""
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def proposals(self) -> float:
        """Return the entries of its log: what three servers have to flush."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self._port}/metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(x.split()[1]) for x in lines if x.startswith("etcd_server_proposals_committed_total"))

    def cost(self, call: Callable[[], object]) -> dict[str, float]:
        """Return what a call costs etcd: CPU in ms, entries of its log."""
        cpu, log = self.cpu(), self.proposals()
        call()
        return {"etcd CPU ms": (self.cpu() - cpu) * 1000, "log entries": self.proposals() - log}


def each(cost: dict[str, float], count: int) -> dict[str, float]:
    """Return the cost of one of ``count``."""
    return {key: round(value / count, 3) for key, value in cost.items()}


def renewals(server: Server, hosts: Sequence[LightHost]) -> dict[str, float]:
    """Return the cost of one renewal of one host, after the first."""
    with ThreadPoolExecutor(BURST) as threads:
        list(threads.map(LightHost.renew, hosts))
        asked = sum(host.requests for host in hosts)
        cost = server.cost(lambda: list(threads.map(LightHost.renew, hosts)))
    return {**each(cost, len(hosts)), "requests": (sum(host.requests for host in hosts) - asked) / len(hosts)}


def looks(server: Server, host: LightHost) -> dict[str, dict[str, float]]:
    """Return the cost of what one host lists: at its start, and when it compares its records."""
    found = {}
    calls = (host.list_network, host.compare, host.clean)
    for name, call in zip(("listing of a network", "comparison", "comparison with cleaning"), calls, strict=True):
        call()
        listed, requests, begin = host.listed, host.requests, time.thread_time()
        cost = each(server.cost(lambda call=call: [call() for _ in range(3)]), 3)  # type: ignore[misc]
        own = (time.thread_time() - begin) * 1000 / 3
        counts = {"requests": (host.requests - requests) / 3, "records": (host.listed - listed) / 3}
        found[name] = {**cost, **counts, "host CPU ms": round(own, 1)}
    return found


async def told(watcher: Watcher, write_one: Callable[[int], object]) -> dict[str, float]:
    """Write endpoints one by one; return how long until half, and all, of the hosts know each."""
    all_known, half_known = [], []
    for number in range(ENDPOINTS, ENDPOINTS + EVENTS):
        begin, target = time.monotonic(), watcher.events + HOSTS
        await asyncio.to_thread(write_one, number)
        half_known.append(await watcher.heard(target - HOSTS // 2) - begin)
        all_known.append(await watcher.heard(target) - begin)
        await asyncio.sleep(PAUSE)
    worst = max(all_known)
    return {
        "half ms": round(statistics.median(half_known) * 1000, 1),
        "all ms": round(statistics.median(all_known) * 1000, 1),
        "all, worst ms": round(worst * 1000, 1),
    }


def burst(store: ClusterStore, first: int, count: int) -> float:
    """Write endpoints as fast as it goes; return how many a second."""
    begin = time.monotonic()
    with ThreadPoolExecutor(BURST) as threads:
        list(threads.map(lambda number: store.transact(*map(Put, endpoint(number)[:2])), range(first, first + count)))
    return count / (time.monotonic() - begin)


async def watched(server: Server, etcd: Etcd, store: ClusterStore) -> dict[str, Any]:
    """Return the costs with the watches of all hosts: the network of all, one of thirty, and pings."""
    before = server.megabytes(), server.cpu()
    watcher = Watcher(etcd.servers[0].port)
    for number in range(HOSTS):
        own = f"n{number % max(NETWORKS, 1)}"
        await watcher.open(*(f"{kind}/{n}/" for n in ("blue", own) for kind in (Peer.kind, Member.kind)))
        await watcher.open("cluster-question/")
    await watcher.heard_created()
    row: dict[str, Any] = {"watches, each a connection": watcher.created}
    row |= {"etcd MB more": round(server.megabytes() - before[0]), "etcd CPU ms a watch": 0.0}
    row["etcd CPU ms a watch"] = round((server.cpu() - before[1]) * 1000 / watcher.created, 2)
    cpu, received = server.cpu(), watcher.received
    times = await told(watcher, lambda number: write(store, endpoint(number)[:2]))
    cost = {"etcd CPU ms": (server.cpu() - cpu) * 1000, "bytes to all": float(watcher.received - received)}
    row["an endpoint"] = {**each(cost, EVENTS), **times}
    cpu, start, target = server.cpu(), ENDPOINTS + EVENTS, watcher.events + 500 * HOSTS
    row["writes a second, with watches"] = round(await asyncio.to_thread(burst, store, start, 500))
    begin = time.monotonic()
    row["seconds until all heard the last"] = round(await watcher.heard(target) - begin, 2)
    row["the same: etcd CPU ms a write"] = round((server.cpu() - cpu) * 1000 / 500, 2)
    await watcher.close()
    return row


def measure(etcd: Etcd) -> dict[str, Any]:
    """Return all figures."""
    server = Server(etcd)
    with closing(opened(f"{etcd.url}/pynet")) as store:
        result: dict[str, Any] = {"hosts": HOSTS, "endpoints": ENDPOINTS, "networks": NETWORKS + 1}
        result["records"] = fill(store)
        result["etcd MB with records"] = round(server.megabytes())
        hosts = [LightHost(f"{etcd.url}/pynet", number) for number in range(HOSTS)]
        result["a renewal"] = renewals(server, hosts)
        result |= looks(server, hosts[0])
        result["writes a second, without watches"] = round(burst(store, ENDPOINTS + 1000, 500))
        result["with watches"] = asyncio.run(watched(server, etcd, store))
        result["etcd MB at the end"] = round(server.megabytes())
        for host in hosts:
            host.close()
    return result


def main() -> None:
    """Print the figures, and keep them."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # etcd gets it too
    with store_elsewhere("etcd") as etcd:
        assert isinstance(etcd, Etcd)
        result = measure(etcd)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "thousand.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
