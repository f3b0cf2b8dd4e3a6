"""Light hosts of ``bench.thousand``: many in one process, each with the product's parts that talk to the store."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any

from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.records import PoolUse
from plugin.cluster.addresses.repair import AddressRepair, Stores
from plugin.cluster.forget import HOST_KINDS
from plugin.cluster.hosts.membership import Membership
from plugin.cluster.hosts.records import ClusterHost
from plugin.cluster.overlay.agreement import drop_unused_networks
from plugin.cluster.overlay.records import Member, Peer
from plugin.store.base import Put
from plugin.store.memory import MemoryStore
from plugin.store.remote.address import Access
from plugin.store.remote.etcd.client import encode, next_prefix
from plugin.store.remote.etcd.store import EtcdStore
from plugin.store.remote.factory import parse_store_address

POOL = ip_network("10.0.0.0/8")


class LightHost(EtcdStore):
    """A host's connection to the store; counts its requests, and the records that it lists."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__(parse_store_address(url), Access())
        self.requests = self.listed = 0
        ask = self._client.http.ask

        def counted(*arguments: Any) -> Any:
            self.requests += 1
            return ask(*arguments)

        self._client.http.ask = counted  # type: ignore[assignment,method-assign]
        name = f"h{number}"
        me = ClusterHost(name, name, ip_address("198.18.0.0") + number, 0)
        self._membership = Membership(self, me, lambda: None)
        local = MemoryStore()
        local.transact(Put(PoolUse(f"blue/{POOL}", name, "t", POOL)))
        self._repair = AddressRepair(Stores(local, self), name, Outbox(local, self, HOST_KINDS))

    def list(self, kind: Any, prefix: str = "") -> Any:
        """List, and count the records."""
        found = super().list(kind, prefix)
        self.listed += len(found)
        return found

    def renew(self) -> None:
        """Renew the lease, as every ten seconds."""
        self._membership.renew()

    def list_network(self) -> None:
        """Begin to watch the network of all hosts."""
        for kind in (Peer, Member):
            with self.watch(kind, "blue/"):
                self.list(kind, "blue/")

    def compare(self) -> None:
        """Compare leases with the store, as at a start and every few minutes."""
        self._repair(clean=False)

    def clean(self) -> None:
        """The same, and clean up for all hosts."""
        self._repair()
        drop_unused_networks(self)


class Watcher:
    """The watches of many hosts: a connection each, as the product makes them, read by one thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self.wanted = self.created = self.events = self.received = 0

    async def open(self, *prefixes: str) -> None:
        """Watch records."""
        for prefix in prefixes:
            self.wanted += 1
            self._tasks.append(asyncio.create_task(self._follow(f"/pynet/{prefix}".encode())))
            if self.wanted - self.created > 200:
                await asyncio.sleep(0.02)

    async def heard_created(self) -> None:
        """Wait until etcd has confirmed all watches."""
        while self.created < self.wanted:
            await self._next()

    async def heard(self, events: int) -> float:
        """Wait for that many events in all; return when they had come."""
        while self.events < events:
            await self._next()
        return time.monotonic()

    async def close(self) -> None:
        """End all watches."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _next(self) -> None:
        self._changed.clear()
        await asyncio.wait_for(self._changed.wait(), 60)

    async def _follow(self, prefix: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        body = {"create_request": {"key": encode(prefix), "range_end": encode(next_prefix(prefix))}}
        await _post(writer, json.dumps(body).encode())
        with suppress(asyncio.IncompleteReadError):
            while line := await reader.readline():
                self.received += len(line)
                self._take(line)
        writer.close()

    def _take(self, line: bytes) -> None:
        created, events = line.count(b'"created":true'), line.count(b'"kv":')
        if created or events:
            self.created += created
            self.events += events
            self._changed.set()


async def _post(writer: asyncio.StreamWriter, body: Sequence[int] | bytes) -> None:
    head = f"POST /v3/watch HTTP/1.1\r\nHost: store\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + bytes(body))
    await writer.drain()
