"""Problems of this host's tables in ``pynet cluster status``."""

from ipaddress import ip_address

from netlink.vxlan import Forward
from plugin.cluster.direct.next_hops import NextHops
from plugin.cluster.hosts.records import HostIdentity
from plugin.cluster.overlay.agreement import drop_unused_networks
from plugin.cluster.overlay.records import ClusterNetwork, Member, Peer, VniClaim
from plugin.cluster.status import Here, table_drift
from plugin.model.records import Endpoint, Network
from plugin.store.base import Put, Remove
from tests.overlay_fakes import OverlayWorld, overlay
from tests.unit import requests as rq

LINK = "pnva1a1a1a1a1a1"


def problems(world: OverlayWorld) -> list[str]:
    """Return the sentences."""
    networks = [item.record for item in world.store.list(Network)]
    here = Here(HostIdentity("h1", ip_address("192.0.2.1")), networks, [i.record for i in world.store.list(Endpoint)])
    return list(table_drift(world.real, here, world.tunnels, NextHops(world.routes), settle=0))


def test_what_is_missing_and_what_is_stale_is_named() -> None:
    """Missing and stale entries are named; right tables give nothing."""
    world = OverlayWorld()
    other = OverlayWorld(2, world.real)
    for host, network in ((world, rq.NETWORK_ID), (other, rq.OTHER_ID)):
        host.driver.create_network(overlay(network))
    world.real.transact(Put(Peer("blue", "e", "h2", "02:00:00:00:00:02")))
    world.hear()
    assert problems(world) == []
    world.tunnels.tables[LINK] = {Forward("02:00:00:00:00:99")}

    assert problems(world) == [
        "network 'blue' of this host lacks the entry 00:00:00:00:00:00 on host 192.0.2.2",
        "network 'blue' of this host lacks the entry 02:00:00:00:00:02 in the bridge",
        "network 'blue' of this host lacks the entry 02:00:00:00:00:02 on host 192.0.2.2",
        "network 'blue' of this host has the stale entry 02:00:00:00:00:99 in the bridge",
    ]


def test_a_link_that_is_gone_is_said() -> None:
    """A missing link is named instead of its entries."""
    world = OverlayWorld()
    world.driver.create_network(overlay())
    world.kernel.delete_link(world.kernel.by_name[LINK])

    assert problems(world) == [f"network 'blue' of this host: {LINK}"]


def test_networks_of_forgotten_hosts_go() -> None:
    """Networks of forgotten hosts are removed with their VNIs; those with a host stay."""
    world = OverlayWorld()
    world.driver.create_network(overlay())
    world.driver.create_network(overlay(rq.OTHER_ID, "10.8.0.1/24", network="green"))
    (member,) = world.real.list(Member, "green/")
    world.real.transact(Remove(Member, member.record.key))
    drop_unused_networks(world.real)

    assert [item.record.name for item in world.real.list(ClusterNetwork)] == ["blue"]
    assert [item.record.network for item in world.real.list(VniClaim)] == ["blue"]
