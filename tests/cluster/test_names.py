"""Names of containers over two hosts, on real stores of each kind: told, changed, and gone in time."""

import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Interface, ip_address, ip_network

import pytest

from plugin.cluster.hosts.living import LivingHosts
from plugin.cluster.hosts.records import ClusterHost, KnownHost
from plugin.cluster.hosts.titles import HostTitles
from plugin.cluster.names.announcing import NameAnnouncer
from plugin.cluster.names.zone import NetworkZone, OtherHosts
from plugin.cluster.overlay.forwarding import local_view
from plugin.cluster.overlay.watching import Watching
from plugin.engine.endpoint_names import EndpointName, EndpointNames, EngineEvent
from plugin.model.records import Endpoint, Network, NetworkSubnet, Overlay
from plugin.store.base import ClusterStore, Put, Remove
from plugin.store.memory import MemoryStore
from tests.cluster.conftest import Opener
from tests.engine.lab.process import wait_until
from tests.unit.cluster.test_names import Engine

pytestmark = pytest.mark.cluster

OVERLAY = Overlay("blue", 1, 4789, 1450)
BLUE = Network("n1", "overlay", "pn-1", subnets=(NetworkSubnet(ip_network("10.5.0.0/24")),), overlay=OVERLAY)


class Host:
    """A host with network blue and one container, which is called ``name``."""

    def __init__(self, store: ClusterStore, name: str, number: int) -> None:
        self.name, self.store, self.local = name, store, MemoryStore()
        interface = IPv4Interface(f"10.5.0.{number}/24")
        self.local.transact(Put(BLUE), Put(Endpoint(f"e{number}", "n1", f"02:00:00:00:00:{number:02x}", interface)))
        self.told = EndpointName(f"c{number}", "n1", f"e{number}", (name, "shared"), (interface.ip,))
        self.engine, began = Engine(self.told), time.monotonic()
        self.names = EndpointNames(self.engine)
        self.watching = Watching(store, self.local, lambda *_: None)
        self.watching.add("blue", "n1", local_view(BLUE, name, ip_address(f"192.0.2.{number}")), now=True)
        self.watching.start()
        living = LivingHosts(store, lambda: began)
        self.unwatch = living.watch()
        self.me = ClusterHost(name, f"{name}.example", ip_address(f"192.0.2.{number}"), 1)
        store.announce(self.me, 30)
        store.transact(Put(KnownHost(name, f"{name}.example", self.me.address)))
        announcer = NameAnnouncer(
            (self.local, store), self.watching.names, self.names.of, self.watching.network_id, name
        )
        self.names.listen(announcer.renamed)
        announcer.start()
        self.names.load()
        others = OtherHosts(self.watching.names, living.alive, name, HostTitles(store).of)
        self.zone = NetworkZone(self.local, self.names, others)

    def rename(self, name: str) -> None:
        """Let the engine tell another name of the container."""
        self.engine.told = [replace(self.told, names=(name, "shared"))]
        self.names.heard(EngineEvent("rename", self.told.container))

    def finds(self, name: str, *addresses: str) -> bool:
        """Return whether a name leads to these addresses."""
        return sorted(map(str, self.zone.addresses("n1", name) or ())) == sorted(addresses)


@pytest.fixture
def two(opener: Opener) -> Iterator[tuple[Host, Host]]:
    """Two hosts that share network blue."""
    hosts = Host(opener(), "first", 2), Host(opener(), "second", 3)
    yield hosts
    for host in hosts:
        host.watching.stop()
        host.unwatch()


def test_names_of_two_hosts(two: tuple[Host, Host]) -> None:
    """A host finds a container of another one by its name, new name and alias, until container or host are gone."""
    first, second = two
    wait_until(lambda: second.finds("first", "10.5.0.2"), "the name on the other host")
    wait_until(lambda: first.finds("shared", "10.5.0.2", "10.5.0.3"), "the alias of both")
    first.rename("new")
    wait_until(lambda: second.finds("new", "10.5.0.2") and second.finds("first"), "the new name instead of the old")
    assert [one.host_name for one in second.zone.reports()] == ["", "first.example"]
    second.store.transact(Remove(ClusterHost, "first"))
    wait_until(lambda: second.finds("new"), "the names of a dead host to be gone")
    first.store.announce(first.me, 30)
    wait_until(lambda: second.finds("new", "10.5.0.2"), "the names to be back with the host")
    first.local.transact(Remove(Endpoint, "n1/e2"))
    wait_until(lambda: second.finds("new") and second.finds("shared", "10.5.0.3"), "the names to be gone")
