"""Followers of one network, and their reads of a store that was away: ``python -m bench.outage URL FIRST LAST``.

Each follower does what a host does about the cluster: it renews its record, watches the network's records, and compares
its leases with those of the pool. A line of JSON tells the parent of ``bench.hosts`` the moments of all listings.
"""

import json
import sys
import time
from ipaddress import ip_address, ip_network
from typing import Any

import structlog

from bench.hosts import lease
from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.records import PoolUse
from plugin.cluster.addresses.repair import AddressRepair, Stores
from plugin.cluster.addresses.upkeep import Upkeep
from plugin.cluster.forget import HOST_KINDS
from plugin.cluster.hosts.membership import Membership
from plugin.cluster.hosts.records import ClusterHost
from plugin.cluster.overlay.forwarding import LocalView
from plugin.cluster.overlay.watching import Watching
from plugin.store.base import ClusterStore, Put
from plugin.store.memory import MemoryStore
from plugin.store.remote.address import Access
from plugin.store.remote.factory import open_cluster_store, parse_store_address

POOL = ip_network("10.9.0.0/16")
USE = PoolUse(f"blue/{POOL}", "", "t", POOL)


def counted(store: ClusterStore, listings: list[tuple[float, str, int]]) -> ClusterStore:
    """Note when a store is listed, what, and how many records that were."""
    real = store.list

    def noted(kind: Any, prefix: str = "") -> Any:
        begin = time.time()
        found = real(kind, prefix)
        listings.append((begin, kind.kind, len(found)))
        return found

    store.list = noted  # type: ignore[method-assign]
    return store


class Follower:
    """One host."""

    def __init__(self, url: str, number: int) -> None:
        self.listings: list[tuple[float, str, int]] = []
        self.heard: list[float] = []
        store = open_cluster_store(parse_store_address(url), Access())
        shared, local, name = counted(store, self.listings), MemoryStore(), f"h{number}"
        self.local, self.name = local, name
        local.transact(Put(PoolUse(USE.pool_id, name, USE.token, POOL)))
        outbox = Outbox(local, shared, HOST_KINDS)
        repair = AddressRepair(Stores(local, shared), name, outbox)
        upkeep = Upkeep(outbox, repair)
        upkeep.when_back(repair.own)
        address = ip_address(f"192.0.2.{number}")
        Membership(shared, ClusterHost(name, name, address, 0), upkeep.returned).start()
        watching = Watching(shared, MemoryStore(), lambda _name, _listed: self.heard.append(time.time()))
        watching.start()
        self.records = watching.add("blue", "n", LocalView(name, address, (POOL,)), now=True)
        upkeep.start()


def main(url: str, first: str, last: str) -> None:
    """Follow until the input ends; answer each line of the parent with the listings and events since the last one."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    followers = [Follower(url, number) for number in range(int(first), int(last))]
    for _ in sys.stdin:
        done = [(list(follower.listings), list(follower.heard)) for follower in followers]
        for follower in followers:
            lease(follower.local, follower.name)  # as the parent writes them for all hosts now
            follower.listings.clear()
            follower.heard.clear()
        print(json.dumps({"listings": [each for each, _ in done], "heard": [each for _, each in done]}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
