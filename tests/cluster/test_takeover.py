"""A host that is dead by the word of a real store is taken over by one of two others."""

import urllib.request
from collections.abc import Mapping
from ipaddress import IPv4Interface, ip_address
from urllib.parse import quote

import pytest

from plugin.cluster.hosts.living import LivingHosts
from plugin.cluster.hosts.membership import Membership
from plugin.cluster.hosts.records import ClusterHost, HostTakeover, KnownHost
from plugin.cluster.overlay.records import Member, Peer
from plugin.cluster.takeover.taking import Taking
from plugin.cluster.takeover.waiting import Takeover, Timing
from plugin.model.records import Network, Overlay
from plugin.store.base import ClusterStore, Put
from plugin.store.memory import MemoryStore
from plugin.store.remote.address import name_of
from tests.cluster.conftest import Opener
from tests.cluster.servers import ask
from tests.engine.lab.process import wait_until

pytestmark = pytest.mark.cluster
AFTER = 2  # seconds; users cannot ask for so little


class Host:
    """A host that renews a lease of some seconds by hand, and looks after the others."""

    def __init__(self, opener: Opener, name: str) -> None:
        self.store, local = opener(), MemoryStore()
        self.membership = Membership(self.store, ClusterHost(name, name, ip_address("192.0.2.1"), 0), lambda: None)
        local.transact(Put(Network("n", "overlay", "pn-n", overlay=Overlay("blue", 7, 4789, 1450, AFTER))))
        living = LivingHosts(self.store, lambda: self.membership.answering_since)
        self.watch, self.since = living.watch, living.since
        taking = Taking(self.store, name, lambda: f"token of {name}")
        self.takeover = Takeover(local, self, taking, Timing(chance=lambda: 0.0))

    def asking(self, _network: str) -> Mapping[str, int]:
        return {"b": AFTER}


def die(opener: Opener, store: ClusterStore) -> None:
    """End the host's session, as its silence does: etcd's lease lasts 2 s, and nobody renews it."""
    if opener.address.scheme == "consul":  # its shortest session lasts 10 to 20 s
        endpoint = f"http://{opener.address.endpoints[0][0]}:{opener.address.endpoints[0][1]}/v1"
        key = ask(f"{endpoint}/kv/{opener.address.prefix}/{ClusterHost.kind}/{quote(name_of('b'))}")
        order = urllib.request.Request(f"{endpoint}/session/destroy/{key[0]['Session']}", method="PUT")
        assert ask(order)
    elif opener.address.scheme == "zookeeper":  # the client keeps a session alive that is open
        store.close()


def test_one_of_two_takes_over(opener: Opener) -> None:
    """Nothing goes while the lease lasts; then all goes once, and the host that returns ends it."""
    two, dead, seen = [Host(opener, name) for name in "ac"], Host(opener, "b"), opener()
    for host in two:
        host.membership.renew()
    dead.store.announce(ClusterHost("b", "b", ip_address("192.0.2.1"), 0), 2)
    dead.store.transact(Put(KnownHost("b", "b", ip_address("192.0.2.1"))))
    peer = Peer("blue", "e", "b", "02:42:0a:09:00:02", IPv4Interface("10.9.0.2/24"))
    dead.store.transact(Put(peer), Put(Member("blue", "b", "n", ip_address("192.0.2.1"))))
    for host in two:
        host.takeover.look()
    assert seen.list(Peer)
    die(opener, dead.store)

    def looked() -> bool:
        for host in two:
            host.takeover.look()
        return not seen.list(Member)

    wait_until(looked, "the takeover", 60)
    assert not seen.list(Peer)
    (taken,) = seen.list(HostTakeover)
    assert taken.record.by in "ac"
    Host(opener, "b").membership.renew()
    assert not seen.list(HostTakeover)
    for host in two:
        host.takeover.stop()
