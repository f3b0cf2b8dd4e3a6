"""Measures the cluster store: time from one host's write to another's watch, traffic and memory.

``python -m bench.cluster [etcd] [zookeeper] [consul]`` starts a server of each kind on loopback, and simulated
hosts as processes that do what a host does with the endpoints of others: list them, watch them, remember them.
"""

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, ClassVar

from plugin.store.base import ClusterStore, Put
from plugin.store.remote.address import Access
from plugin.store.remote.factory import open_cluster_store, parse_store_address
from tests.cluster.servers import StoreServer, make_server

ENDPOINTS, HOSTS = (10, 100, 1000), (3, 10, 50)
ROUNDS = 60  # endpoints that join while the watches are timed
PACE = 0.05  # seconds between two of them
TCP_INFO_RECEIVED = slice(128, 136)  # tcpi_bytes_received (linux/tcp.h)
LAST = "last"


@dataclass(frozen=True, slots=True)
class Peer:
    """As much as hosts tell each other of an endpoint."""

    kind: ClassVar[str] = "bench-peer"

    network: str
    endpoint: str
    host: str
    mac: str
    ipv4: IPv4Interface

    @property
    def key(self) -> str:
        """Network and endpoint."""
        return f"{self.network}/{self.endpoint}"


def peer(number: int, name: str = "") -> Peer:
    """Return one of many endpoints."""
    address = IPv4Interface((0x0A000000 + number, 8))
    return Peer(
        "blue", name or f"{number:064x}", "0123456789ab", f"02:42:0a:00:{number >> 8:02x}:{number % 256:02x}", address
    )


def opened(url: str) -> ClusterStore:
    """Open the store of the benchmark."""
    return open_cluster_store(parse_store_address(url), Access())


def simulate(url: str) -> None:
    """Act as a host: report the cost of listing, and at the end the time of each event."""
    before = _memory("self")
    with closing(opened(url)) as store, store.watch(Peer) as events:
        start = time.perf_counter()
        known = {item.record.key: item for item in store.list(Peer)}
        listed = time.perf_counter() - start
        traffic = _received()
        print(json.dumps({"listed": listed, "memory": _memory("self") - before, "traffic": traffic}), flush=True)
        seen: dict[str, float] = {}
        for event in events:
            seen[event.key] = time.monotonic()
            if event.key.endswith(LAST):
                break
        print(json.dumps({"seen": seen, "traffic": _received() - traffic, "known": len(known)}), flush=True)


def _received() -> int:
    """Bytes that this process's TCP connections have received."""
    total = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError), socket.socket(fileno=int(entry.name)) as sock:
            try:
                total += int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, 11, 256)[TCP_INFO_RECEIVED], "little")
            finally:
                sock.detach()
    return total


def _memory(pid: object) -> float:
    """Resident memory of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def measure(server: StoreServer, hosts: int, endpoints: int) -> dict[str, Any]:
    """Return one row of the table."""
    url = f"{server.url}/bench-{hosts}-{endpoints}"
    with closing(opened(url)) as store:
        for start in range(0, endpoints, 20):
            store.transact(*(Put(peer(number)) for number in range(start, min(start + 20, endpoints))))
        argv = [sys.executable, "-m", "bench.cluster", "--host", url]
        processes = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(hosts)]
        ready = [json.loads(process.stdout.readline()) for process in processes if process.stdout]
        time.sleep(1)
        written = dict(_write(store))
        done = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    lags = [(host["seen"][key] - at) * 1000 for host in done for key, at in written.items()]
    lags.sort()
    return {
        "endpoints": endpoints,
        "hosts": hosts,
        "median ms": statistics.median(lags),
        "p95 ms": lags[len(lags) * 95 // 100],
        "bytes/event": statistics.median(host["traffic"] for host in done) / (len(written) + 1),
        "list ms": statistics.median(host["listed"] for host in ready) * 1000,
        "list kB": statistics.median(host["traffic"] for host in ready) / 1000,
        "host MB": statistics.median(host["memory"] for host in ready),
        "server MB": _memory(_pid(server)),
    }


def _write(store: ClusterStore) -> Iterator[tuple[str, float]]:
    for number in range(ROUNDS):
        new = peer(100_000 + number)
        at = time.monotonic()
        store.transact(Put(new))
        yield new.key, at
        time.sleep(PACE)
    store.transact(Put(peer(0, LAST)))


def _pid(server: StoreServer) -> object:
    return server.servers[0].pid


def main() -> None:
    """Print a table for each kind of store."""
    for kind in sys.argv[1:] or ["etcd"]:
        with tempfile.TemporaryDirectory() as folder:
            server = make_server(kind, Path(folder))
            try:
                server.start()
                rows = [measure(server, hosts, endpoints) for endpoints in ENDPOINTS for hosts in HOSTS]
            finally:
                server.kill()
        print(f"\n{kind}\n\n| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
        for row in rows:
            print(
                "| "
                + " | ".join(f"{value:.1f}" if isinstance(value, float) else str(value) for value in row.values())
                + " |"
            )


if __name__ == "__main__":
    simulate(sys.argv[2]) if sys.argv[1:2] == ["--host"] else main()
