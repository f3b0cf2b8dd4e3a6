"""Networks whose hosts agree that addresses of dead hosts are released."""

from dataclasses import replace
from ipaddress import ip_address
from typing import cast

import pytest

from plugin.cluster.hosts.living import LivingHosts
from plugin.cluster.hosts.records import HostTakeover, KnownHost
from plugin.cluster.overlay.records import ClusterNetwork, Member, Peer
from plugin.cluster.status import LocalState, cluster_status
from plugin.cluster.takeover.sharing import SharingHosts
from plugin.cluster.takeover.taking import Taking
from plugin.errors import Conflict, InvalidRequest
from plugin.protocol.messages import Countdown, CreateEndpoint, Interface
from plugin.store.base import ClusterStore, Put, Remove
from plugin.store.memory import MemoryStore
from tests.overlay_fakes import OverlayWorld, overlay
from tests.unit import requests as rq
from tests.unit.cluster.parts import FakeClusterStore

ADDRESS = ip_address("192.0.2.1")


def host(number: int, shared: MemoryStore | None = None) -> OverlayWorld:
    """Return a host with the network blue, which asks for takeover after 60 s."""
    world = OverlayWorld(number, shared)
    world.driver.create_network(overlay(rq.NETWORK_ID if number == 1 else rq.OTHER_ID, takeover="after 60s"))
    return world


def take_over(world: OverlayWorld) -> None:
    """Have host 2 take over host 1, which is dead."""
    taking = Taking(world.real, "h2", lambda: "t")
    world.real.transact(Put(KnownHost("h1", "one", ADDRESS)))
    death = taking.death("h1")
    assert death is not None
    taking.take(death, "blue")


def test_hosts_must_want_the_same_time() -> None:
    """The sentence names both times, and nothing is changed."""
    world = host(1)
    other = OverlayWorld(2, world.real)
    with pytest.raises(Conflict, match="'blue' has takeover after 60s on the other hosts, and this host was told off"):
        other.driver.create_network(overlay(rq.OTHER_ID))
    assert [item.record.host for item in world.real.list(Member)] == ["h1"]


def test_a_bad_time_is_refused_with_the_legal_ones() -> None:
    """A time that is not longer than the lease is none."""
    with pytest.raises(InvalidRequest, match=r"option 'pynet\.takeover'.*after 60s, after 5m or after 1h, from 31s"):
        OverlayWorld().driver.create_network(overlay(takeover="after 10s"))


def test_an_address_that_was_taken_over_is_announced_by_one_host() -> None:
    """The others reach the new container, and the host that returns does not fight; its other endpoint is back."""
    one = host(1)
    one.driver.create_endpoint(rq.endpoint())
    one.driver.create_endpoint(CreateEndpoint(rq.NETWORK_ID, "e3" * 32, Interface()))
    two = host(2, one.real)
    take_over(two)
    two.hear()
    assert two.real.list(Peer) == []
    two.driver.create_endpoint(CreateEndpoint(rq.OTHER_ID, "e2" * 32, Interface(rq.endpoint().interface.address)))
    one.hear()
    two.hear()
    found = {(item.record.host, item.record.endpoint) for item in two.real.list(Peer)}
    assert found == {("h1", "e3" * 32), ("h2", "e2" * 32)}


class Cluster:
    """A store with the network blue and two dead hosts: h1, which asked for takeover, and h9 with an earlier pynet."""

    def __init__(self) -> None:
        self.store = FakeClusterStore()
        for name, host, after in (("one", "h1", 60), ("nine", "h9", 0)):
            known, member = KnownHost(host, name, ADDRESS), Member("blue", host, "n", ADDRESS, after)
            self.store.transact(Put(known), Put(member))

    def told(self, *countdowns: Countdown) -> list[str]:
        """Return what the status says of takeovers."""
        found = cluster_status(cast("ClusterStore", self.store), LocalState, (), countdowns)
        assert {*map(str, found.takeovers)} <= {*found.problems}
        return [*map(str, found.takeovers)]


def test_the_status_counts_down() -> None:
    """It says since when the host is missed and when its addresses go; other hosts may know that only."""
    cluster = Cluster()
    one, nine = cluster.told(Countdown("h1", "one", "blue", 12.3, 48.2))
    assert one == "network 'blue' has missed host 'one' for 12 s, and takes over its addresses in 48 s"
    assert nine == "network 'blue' does not take over host 'nine', which has a pynet before 0.3"
    assert cluster.told()[0].endswith("releases the addresses of host 'one' when its hosts have missed it for 60 s")


def test_the_status_tells_who_has_taken_over() -> None:
    """The containers that still run there are not reached."""
    cluster = Cluster()
    cluster.store.transact(Put(HostTakeover("h1", "blue", "h9", "t")), Remove(Member, "blue/h1/n"))
    (sentence,) = [told for told in cluster.told() if "released" in told]
    assert sentence.startswith("host 'nine' has released what host 'one' held in network 'blue'; containers")


def test_a_time_that_an_earlier_pynet_dropped_is_written_again() -> None:
    """An earlier pynet joins, and writes the network without it; the members still tell the next host that joins."""
    one = host(1)
    (network,) = one.real.list(ClusterNetwork)
    one.real.transact(Put(replace(network.record, takeover=0)), Put(Member("blue", "h9", "n9", ADDRESS)))
    with pytest.raises(Conflict, match="takeover after 60s on the other hosts, and this host was told off"):
        OverlayWorld(3, one.real).driver.create_network(overlay(rq.OTHER_ID))
    host(2, one.real)
    assert [item.record.takeover for item in one.real.list(ClusterNetwork)] == [60]
    assert {item.record.host: item.record.takeover for item in one.real.list(Member)} == {"h1": 60, "h2": 60, "h9": 0}


def test_the_members_tell_who_may_be_taken_over() -> None:
    """Those that this host follows anyway: each other host with its time, and no host of a network that is not here."""
    one = host(1)
    host(2, one.real)
    one.real.transact(Put(Member("blue", "h9", "n9", ip_address("192.0.2.9"))))
    one.hear()
    sharing = SharingHosts(LivingHosts(FakeClusterStore(), lambda: None), one.peers.watching)
    assert (sharing.asking("blue"), sharing.asking("red")) == ({"h2": 60, "h9": 0}, {})
    assert sharing.since("h9") is None
