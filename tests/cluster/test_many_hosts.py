"""What hosts read of a real etcd about networks that they have, and about those that they do not have."""

import secrets
import socket
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from ipaddress import IPv4Interface, ip_address
from pathlib import Path
from typing import Any

import pytest

from plugin.cluster.hosts.records import ClusterHost
from plugin.cluster.overlay.forwarding import LocalView
from plugin.cluster.overlay.records import Peer
from plugin.cluster.overlay.watching import Watching
from plugin.errors import PynetError
from plugin.store.base import Put, Remove
from plugin.store.memory import MemoryStore
from plugin.store.remote.address import Access
from plugin.store.remote.etcd.store import EtcdStore
from plugin.store.remote.factory import parse_store_address
from tests.cluster.servers import Etcd
from tests.engine.lab.process import wait_until

pytestmark = pytest.mark.cluster

TCP_INFO, RECEIVED = 11, slice(128, 136)  # tcpi_bytes_received (linux/tcp.h)
MANY, HOSTS = 300, 6


class Host:
    """Follows one network, and counts what it asks."""

    def __init__(self, url: str, network: str) -> None:
        self.asked: Counter[str] = Counter()
        self.store = EtcdStore(parse_store_address(url), Access())
        ask = self.store._client.ask

        def counted(action: str, path: str, body: Any) -> Any:
            self.asked[path] += 1
            return ask(action, path, body)

        self.store._client.ask = counted  # type: ignore[method-assign]
        self._watching = Watching(self.store, MemoryStore(), lambda _name, _listed: None)
        self._watching.start()
        self.records = self._watching.add(network, "n", LocalView("h1", ip_address("192.0.2.1")), now=True)

    def knows(self, number: int) -> bool:
        """Return whether it has heard of an endpoint."""
        return bool(self.records.claimants([peer("", number).addresses[0]]))

    def end(self) -> None:
        """End its threads."""
        self._watching.stop()
        self.store.close()


def peer(network: str, number: int) -> Peer:
    """Return an endpoint of another host."""
    address = IPv4Interface((0x0A090100 + number, 16))
    return Peer(network, f"e{number}", "h2", f"02:42:{address.ip.packed.hex(':')}", address)


def connections() -> dict[str, int]:
    """Return the bytes that each TCP connection of this process has received, by file descriptor."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError), socket.socket(fileno=int(entry.name)) as sock:
            try:
                info = sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 256)
                found[entry.name] = int.from_bytes(info[RECEIVED], "little")
            finally:
                sock.detach()
    return found


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Etcd]:
    """Return an etcd of one server."""
    etcd = Etcd(tmp_path)
    try:
        etcd.start()
        yield etcd
    finally:
        etcd.kill()


@pytest.fixture
def url(etcd: Etcd) -> str:
    """Return the address of an empty store."""
    return f"{etcd.url}/test-{secrets.token_hex(6)}"


def test_a_host_hears_nothing_of_networks_that_it_does_not_have(url: str) -> None:
    """Endpoints of another network come over none of its connections; one of its own does, and costs no request."""
    with ExitStack() as stack:
        writer = EtcdStore(parse_store_address(url), Access())
        stack.callback(writer.close)
        writer.transact(Put(peer("blue", 1)))
        others = set(connections())
        host = Host(url, "blue")
        stack.callback(host.end)
        writer.transact(Put(peer("blue", 2)))
        wait_until(lambda: host.knows(1) and host.knows(2), "the first endpoints")
        asked, before = Counter(host.asked), connections()
        for number in range(MANY):
            writer.transact(Put(peer("red", number + 3)))
        writer.transact(Put(peer("blue", MANY + 3)))
        wait_until(lambda: host.knows(MANY + 3), "the last endpoint")
        heard = {name: count - before.get(name, 0) for name, count in connections().items() if name not in others}

        assert host.asked == asked
        assert 300 < sum(heard.values()) < 1000  # one event


def test_nobody_lists_when_the_store_is_back(etcd: Etcd, url: str) -> None:
    """After an outage every host goes on where it was: it hears of a new endpoint, and reads no listing."""
    with ExitStack() as stack:
        writer = EtcdStore(parse_store_address(url), Access())
        stack.callback(writer.close)
        writer.transact(*(Put(peer("blue", number)) for number in range(50)))
        hosts = [Host(url, "blue") for _ in range(HOSTS)]
        for host in hosts:
            stack.callback(host.end)
        asked = [Counter(host.asked) for host in hosts]
        etcd.kill()
        etcd.start()

        def write() -> bool:
            with suppress(PynetError):
                writer.transact(Put(peer("blue", MANY)))
                return True
            return False

        wait_until(write, "the store to be back", 30)
        wait_until(lambda: all(host.knows(MANY) for host in hosts), "all hosts", 30)
        assert [host.asked for host in hosts] == asked
        assert all(len(host.records.difference(everything=True).refused) == 0 for host in hosts)


def log_entries(etcd: Etcd) -> float:
    """Return how many entries etcd has written to its log, which all servers flush."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{etcd.servers[0].port}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(x.split()[1]) for x in lines if x.startswith("etcd_server_proposals_committed_total"))


def test_a_renewal_writes_nothing(etcd: Etcd, url: str) -> None:
    """A thousand hosts renew a hundred times a second: etcd reads, and its log does not grow; a change is written."""
    with closing(EtcdStore(parse_store_address(url), Access())) as store:
        me, moved = (ClusterHost("h1", "a", ip_address(f"192.0.2.{number}"), 1) for number in (1, 2))
        store.announce(me, 30)
        before = log_entries(etcd)
        for _ in range(10):
            store.announce(me, 30)
        assert log_entries(etcd) == before
        store.announce(moved, 30)
        assert [item.record for item in store.list(ClusterHost)] == [moved]
        store.transact(Remove(ClusterHost, "h1"))
        store.announce(moved, 30)
        assert [item.record for item in store.list(ClusterHost)] == [moved]
