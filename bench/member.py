"""A host of the benchmark ``bench.hosts``: pynet on the kernel of a namespace and on a real store, led by its parent.

It reads a line of JSON for each command, and answers with its counters before and after: CPU seconds, requests to the
store and bytes of its connections, messages to the kernel's tables and their entries, and memory in kB.
"""

import json
import socket
import sys
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import structlog

from bench.report import memory
from cli.server.cluster import resume
from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.forget import HOST_KINDS
from plugin.cluster.overlay.presence import ClusterView
from plugin.model.names import vxlan_name
from plugin.protocol.messages import EndpointRef, Join
from plugin.store.memory import MemoryStore
from plugin.store.remote.address import Access
from plugin.store.remote.factory import open_cluster_store, parse_store_address
from plugin.store.remote.zookeeper.store import ZooKeeperStore
from tests.kernel.pynet import Pynet
from tests.overlay_fakes import overlay
from tests.unit import requests as rq

TCP_INFO, RECEIVED, ACKED = 11, slice(128, 136), slice(120, 128)  # tcpi_bytes_received, tcpi_bytes_acked (linux/tcp.h)


def wire() -> tuple[int, int]:
    """Return the bytes that the TCP connections of this process have received, and sent."""
    received = sent = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError), socket.socket(fileno=int(entry.name)) as sock:
            try:
                info = sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 256)
                received += int.from_bytes(info[RECEIVED], "little")
                sent += int.from_bytes(info[ACKED], "little")
            finally:
                sock.detach()
    return received, sent


class Host:
    """One host; ``name`` is its id in the cluster and the name of its tables."""

    def __init__(self, url: str, name: str, address: str) -> None:
        store, local = open_cluster_store(parse_store_address(url), Access()), MemoryStore()
        self.counts = {"requests": 0, "messages": 0, "entries": 0, "reads": 0}
        view = ClusterView(store, Outbox(local, store, HOST_KINDS), lambda _: True, name, ip_address(address))
        self.pynet = Pynet(local, name=name, cluster=view)
        if isinstance(store, ZooKeeperStore):  # all requests to a store pass here; one carries several reads
            self._count(store._session, "ask", "requests")  # noqa: SLF001
            self._count(store._session, "once", "requests")  # noqa: SLF001
        else:
            self._count(store._client.http, "ask", "requests")  # type: ignore[attr-defined]  # noqa: SLF001
        self._count(self.pynet.tunnels, "entries", "reads")
        self._count(self.pynet.tunnels, "change", "messages")
        self.pynet.reconciler.recover()
        resume(self.pynet, local)

    def _count(self, target: Any, name: str, key: str) -> None:
        real = getattr(target, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.counts[key] += 1
            if key == "messages":
                self.counts["entries"] += sum(map(len, arguments[2:]))
            return real(*arguments, **named)

        setattr(target, name, call)

    def sample(self) -> dict[str, float]:
        """Return the counters."""
        received, sent = wire()
        now = {"at": time.perf_counter(), "cpu": time.process_time(), "received": received, "sent": sent}
        return {**now, **self.counts}

    def create(self, network: str, name: str, gateway: str) -> None:
        """Create a network with an id of two letters, repeated."""
        self.pynet.driver.create_network(overlay(network * 32, gateway, network=name))

    def run(self, network: str, number: int) -> None:
        """Create an endpoint and join it."""
        endpoint = rq.endpoint(address=f"10.9.255.{number}/16").interface
        request = rq.endpoint()
        reference = EndpointRef(network * 32, f"{number:02x}" * 32)
        self.pynet.driver.create_endpoint(type(request)(*vars_of(reference), endpoint))
        self.pynet.driver.join(Join(reference.network_id, reference.endpoint_id, "/proc/1/ns/net"))

    def stop(self, network: str, number: int) -> None:
        """Delete an endpoint."""
        self.pynet.driver.delete_endpoint(EndpointRef(network * 32, f"{number:02x}" * 32))

    def settle(self, network: str, entries: int) -> None:
        """Wait until the kernel's tables have that many entries."""
        end = time.monotonic() + 60
        while (
            len(type(self.pynet.tunnels).entries(self.pynet.tunnels, f"pn-{network * 6}", vxlan_name(network * 32)))
            < entries
        ):
            if time.monotonic() > end:
                raise SystemExit("the tables were not written within a minute")
            time.sleep(0.05)

    def compare(self) -> None:
        """Compare the kernel's tables with the records, as every minute."""
        self.pynet.peers.sync(everything=True)

    def memory(self) -> None:
        """Do nothing: the parent wants the memory."""


def vars_of(reference: EndpointRef) -> tuple[str, str]:
    """Return network and endpoint."""
    return reference.network_id, reference.endpoint_id


def main(url: str, name: str, address: str) -> None:
    """Carry out commands until the input ends."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    host = Host(url, name, address)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        before = host.sample()
        getattr(host, verb)(*arguments)
        after = host.sample()
        done = {key: after[key] - before[key] for key in after} | {"total": after}
        if verb == "memory":
            done["pss"] = memory([int(Path("/proc/self").readlink().name)]) * 1024
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
