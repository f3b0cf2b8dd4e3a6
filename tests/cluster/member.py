"""A host in a process of its own, which can be killed: requests addresses, prints each, and gives every third back.

Run as ``python -m tests.cluster.member URL STATE NAME``.
"""

import sys
from itertools import count
from pathlib import Path

import structlog

from plugin.store.remote.address import Access
from plugin.store.remote.factory import open_cluster_store, parse_store_address
from plugin.store.sqlite.store import SqliteStore
from tests.unit.cluster.parts import ClusterMember


def main(url: str, state: str, name: str) -> None:
    """Go on until killed."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    shared = open_cluster_store(parse_store_address(url), Access())
    host = ClusterMember(shared, name, local=SqliteStore(Path(state) / "pynet.db"))
    host.beat()
    pool = host.pool("10.1.0.0/22")
    for number in count():
        address = host.address(pool)
        print("+", address, flush=True)
        if number % 3 == 2:
            host.release(pool, address)
            print("-", address, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
