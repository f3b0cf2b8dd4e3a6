"""Measures one network of many hosts and endpoints on a real store.

``HOSTS=50 ENDPOINTS=10000 python -m bench.hosts [etcd] [zookeeper] [consul]``; etcd without words.

Everything is in a namespace made for it. One host has the network, another one has a different network; both are pynet
on the kernel. The records of all other hosts are written by the benchmark. At the end the store is killed and comes
back, for as many followers as there are hosts.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from ipaddress import IPv4Interface, ip_address
from pathlib import Path
from typing import Any

from bench.cluster import opened
from plugin.cluster.addresses.records import ClusterLease
from plugin.cluster.overlay.records import AddressClaim, Member, Peer
from plugin.store.base import ClusterStore, Put, Store
from tests.cluster.servers import StoreServer, make_server
from tests.kernel.namespaces import enter_fresh_namespace

HOSTS, ENDPOINTS = int(os.environ.get("HOSTS", "50")), int(os.environ.get("ENDPOINTS", "10000"))
SIZES = sorted({min(size, ENDPOINTS) for size in (100, 1000, ENDPOINTS)})
RESULTS = Path(__file__).parent / "results"
EVENTS = 200  # endpoints of other hosts that come while a host is measured
ROUNDS = 20  # endpoints of the measured host
PAUSE = 0.02  # seconds between two events, so that each is written alone
BATCH = 30  # endpoints in one transaction: Consul takes 64 records
TOGETHER = 10  # followers in one process
FOLLOWED = min(ENDPOINTS, 2000)  # endpoints of the outage: its followers share the cores of one machine
POOL = "blue/10.9.0.0/16"


def peer(number: int) -> Peer:
    """Return an endpoint of one of the other hosts."""
    address = IPv4Interface((0x0A090100 + number, 16))
    mac = f"02:42:{address.ip.packed.hex(':')}"
    return Peer("blue", f"{number:064x}", f"h{number % (HOSTS - 1) + 2}", mac, address)


def fill(store: ClusterStore, first: int, last: int) -> None:
    """Write endpoints with their claims, as their hosts would."""
    for start in range(first, last, BATCH):
        peers = [peer(number) for number in range(start, min(start + BATCH, last))]
        claims = [AddressClaim("blue", peer.addresses[0], peer.endpoint, peer.host) for peer in peers]
        store.transact(*map(Put, peers), *map(Put, claims))


class Child:
    """A host in a process of its own (``bench.member``)."""

    def __init__(self, url: str, name: str, address: str) -> None:
        argv = [sys.executable, "-m", "bench.member", url, name, address]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._answer()

    def do(self, *command: object) -> dict[str, Any]:
        """Carry out a command; return the counters' differences."""
        assert self._process.stdin
        print(json.dumps(command), file=self._process.stdin, flush=True)
        answer = self._answer()
        assert isinstance(answer, dict)
        return answer

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a host of the benchmark ended")
        return json.loads(line)

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def verbs(host: Child) -> dict[str, float]:
    """Return the cost of an endpoint's creation with its Join, and of its end, medians of ``ROUNDS``."""
    made = [host.do("run", "b1", number) for number in range(1, ROUNDS + 1)]
    gone = [host.do("stop", "b1", number) for number in range(1, ROUNDS + 1)]
    row = {}
    for name, done in (("start", made), ("stop", gone)):
        row[f"{name} ms"] = statistics.median(each["at"] for each in done) * 1000
        row[f"{name} requests"] = statistics.median(each["requests"] for each in done)
        row[f"{name} bytes"] = statistics.median(each["received"] + each["sent"] for each in done)
    return row


def events(store: ClusterStore, hosts: Sequence[Child], first: int) -> list[dict[str, float]]:
    """Return for each host what one endpoint of another host costs, without the cost of the same time in silence."""
    time.sleep(1)
    quiet = [host.do("memory") for host in hosts]
    time.sleep(EVENTS * PAUSE)
    begin = [host.do("memory") for host in hosts]
    for number in range(first, first + EVENTS):
        fill(store, number, number + 1)
        time.sleep(PAUSE)
    time.sleep(1)
    end = [host.do("memory") for host in hosts]
    found = []
    for before, between, after in zip(quiet, begin, end, strict=True):
        row = {key: (after["total"][key] - between["total"][key]) / EVENTS for key in after["total"]}
        silence = between["total"]["cpu"] - before["total"]["cpu"]
        found.append(row | {"cpu": row["cpu"] - silence / EVENTS})
    return found


def measure(server: StoreServer, size: int) -> dict[str, float]:
    """Return one row: the costs of a host among ``HOSTS`` with ``size`` endpoints of others in the network."""
    url = f"{server.url}/bench-{size}"
    with closing(opened(url)) as store:
        for number in range(2, HOSTS + 1):
            store.transact(Put(Member("blue", f"h{number}", "d4" * 32, ip_address("198.18.0.0") + number)))
        host, other = Child(url, "h1", "192.0.2.1"), Child(url, "h99", "192.0.2.99")
        try:
            return _measured(store, host, other, size)
        finally:
            host.end()
            other.end()


def _measured(store: ClusterStore, host: Child, other: Child, size: int) -> dict[str, float]:
    other.do("create", "c1", "green", "10.8.0.1/16")
    host.do("create", "a1", "red", "10.7.0.1/16")  # what the first network loads is no part of the second
    empty = host.do("memory")
    fill(store, 0, size)
    made = host.do("create", "b1", "blue", "10.9.0.1/16")
    host.do("settle", "b1", size * 3 + min(size, HOSTS - 1))
    full = host.do("memory")
    row = {"endpoints": size, "create ms": made["at"] * 1000, "create CPU ms": made["cpu"] * 1000}
    row |= {"create requests": made["requests"], "create kB": made["received"] / 1000}
    row |= {"memory kB": full["pss"] - empty["pss"], "bytes an endpoint": (full["pss"] - empty["pss"]) * 1024 / size}
    row |= verbs(host)
    mine, theirs = events(store, [host, other], size)
    row |= {"event CPU us": mine["cpu"] * 1e6, "event bytes": mine["received"], "event entries": mine["entries"]}
    row |= {"event messages": mine["messages"], "event reads": mine["reads"]}
    row |= {"elsewhere CPU us": theirs["cpu"] * 1e6, "elsewhere bytes": theirs["received"]}
    compare = min((host.do("compare") for _ in range(3)), key=lambda done: float(done["cpu"]))
    return row | {"compare CPU ms": compare["cpu"] * 1000, "compare requests": compare["requests"]}


def outage(server: StoreServer) -> dict[str, Any]:
    """Kill the store under as many followers as there are hosts; return what they list when it is back."""
    url = f"{server.url}/bench-outage"
    with closing(opened(url)) as store:
        fill(store, 0, FOLLOWED)
        with ExitStack() as stack:
            groups = [
                stack.enter_context(Group(url, first, min(first + TOGETHER, HOSTS + 1)))
                for first in range(1, HOSTS + 1, TOGETHER)
            ]
            time.sleep(30)
            first = [group.told() for group in groups]
            lease(store)  # the first follower that used the pool removed older ones
            server.kill()
            time.sleep(8)
            server.start()
            back = time.time()
            time.sleep(20)
            fill(store, FOLLOWED, FOLLOWED + 1)
            time.sleep(2)
            return {"start": _listings(first, 0.0), "return": _listings([group.told() for group in groups], back)}


def lease(store: Store, host: str = "") -> None:
    """Write the leases of all endpoints, or of those of a host."""
    peers = [each for each in map(peer, range(FOLLOWED)) if host in ("", each.host)]
    for start in range(0, len(peers), BATCH):
        some = peers[start : start + BATCH]
        store.transact(*(Put(ClusterLease(POOL, each.addresses[0], each.host, each.endpoint[-8:])) for each in some))


def _listings(groups: Sequence[dict[str, Any]], since: float) -> dict[str, Any]:
    """Add up what followers listed: records, and by second the long listings."""
    listings = [each for group in groups for follower in group["listings"] for each in follower]
    since = since or min(at for at, _, _ in listings)
    long = [(kind, int(at - since)) for at, kind, count in listings if count >= FOLLOWED]
    kinds = {kind: [second for of, second in long if of == kind] for kind in {kind for kind, _ in long}}
    return {
        "followers": sum(len(group["heard"]) for group in groups),
        "heard at the end": sum(bool(follower) for group in groups for follower in group["heard"]),
        "records": sum(count for _, _, count in listings),
        "long listings by second": {kind: dict(sorted(Counter(found).items())) for kind, found in kinds.items()},
    }


class Group:
    """Some followers in a process of their own (``bench.outage``)."""

    def __init__(self, url: str, first: int, last: int) -> None:
        argv = [sys.executable, "-m", "bench.outage", url, str(first), str(last)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def told(self) -> dict[str, Any]:
        """Return listings and events since the last call."""
        assert self._process.stdin
        assert self._process.stdout
        print(file=self._process.stdin, flush=True)
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def store_elsewhere(kind: str) -> Iterator[StoreServer]:
    """Start a store in a new namespace, with the addresses of two hosts: links of earlier hosts would slow new ones."""
    enter_fresh_namespace()
    subprocess.run("ip link set lo up; ip link add ul0 type veth peer name ul1", shell=True, check=True)
    subprocess.run("ip link set ul1 up; ip link set ul0 up", shell=True, check=True)
    for number in (1, 99):
        subprocess.run(["ip", "addr", "add", f"192.0.2.{number}/24", "dev", "ul0"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        server = make_server(kind, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()


def run(kind: str) -> None:
    """Print the rows of a kind of store, and keep them."""
    rows = []
    for size in SIZES:
        with store_elsewhere(kind) as server:
            rows.append(measure(server, size))
    print(f"{kind}, {HOSTS} hosts")
    for key in rows[0]:
        print(f"| {key} | " + " | ".join(f"{row[key]:,.1f}" for row in rows) + " |", flush=True)
    with store_elsewhere(kind) as server:
        away = outage(server)
    RESULTS.mkdir(exist_ok=True)
    result = {"store": kind, "hosts": HOSTS, "rows": rows, "outage": away}
    (RESULTS / f"hosts-{kind}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(away, indent=1), flush=True)


def main() -> None:
    """Measure all kinds of stores that are wanted."""
    for kind in sys.argv[1:] or ["etcd"]:
        run(kind)


if __name__ == "__main__":
    main()
