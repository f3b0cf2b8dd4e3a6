"""An unreadable record of the cluster store stops only requests that need this very record."""

from collections.abc import Sequence
from typing import Any

import pytest

from cli.server.records import KINDS_IN_CLUSTER
from netlink.vxlan import Forward
from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.addresses.pools import SharedPools
from plugin.cluster.addresses.records import ClusterLease, PoolGateway, PoolUse
from plugin.cluster.hosts.membership import Membership
from plugin.cluster.hosts.records import ClusterHost, KnownHost
from plugin.cluster.overlay.agreement import drop_unused_networks
from plugin.cluster.overlay.records import ClusterNetwork, Member, Peer, VniClaim
from plugin.cluster.status import LocalState, cluster_status
from plugin.errors import Conflict
from plugin.ipam.generation import PoolGeneration
from plugin.model.records import Pool
from plugin.store.base import Event, Put, Record, Remove, Unreadable
from plugin.store.memory import MemoryStore
from plugin.store.rows import decode, encode
from tests.overlay_fakes import OverlayWorld, overlay
from tests.unit import requests as rq
from tests.unit.cluster.parts import ClusterMember, FakeClusterStore

LINK = "pnva1a1a1a1a1a1"
PEER = '{{"network":"blue","endpoint":"{}","host":"h2","mac":"02:42:0a:09:00:{}","ipv4":"10.9.0.{}/24"}}'
MEMBER = '{"network":"blue","host":"h2","network_id":"d4","address":"192.0.2.2"}'
NONSENSE: Sequence[str] = ("", "{", "null", "[" * 100_000, '{"colour":"red"}', "\udcff", '"text"')
BAD: Sequence[tuple[type[Record], str, str, str]] = [
    (Peer, "blue/e", PEER.format("e", "zz; drop", 60), "'mac' is '02:42:0a:09:00:zz; drop', not six bytes"),
    (Peer, "blue/e", PEER.format("e", "02", 60).replace("02:42", "01:42"), "no machine's"),
    (Peer, "blue/e", PEER.format("f", "02", 60), "its key is another one's"),
    (Peer, "blue/e", PEER.format("e", "02", 600), "not permitted in '10.9.0.600'"),
    (Peer, "blue/e", '{"network":"blue","endpoint":"e","host":7,"mac":"02:00:00:00:00:02"}', "expected str, found 7"),
    (Peer, "blue/e", PEER.format("e", "02", 2).replace("h2", "h\\n2"), "'host' is 'h\\n2', with characters that"),
    (Peer, "blue/e", PEER.format("e", "02", 2).replace("h2", ""), "'host' is '', which is no name"),
    (Member, "blue/h2/d4", MEMBER.replace("192.0.2.2", "fe80::1%eth0"), "is an address with a zone"),
    (Member, "blue/h2/d4", MEMBER.replace('"d4"', '"d4","x":1').replace("192.0.2.2", "h2"), "does not appear to be"),
    (ClusterNetwork, "n", '{"name":"n","vni":0,"port":4789,"mtu":1450}', "'vni' is 0, not from 1 to 16777215"),
    (ClusterNetwork, "n", '{"name":"n","vni":7,"port":70000,"mtu":1450}', "'port' is 70000, not from 1 to 65535"),
    (ClusterNetwork, "n", '{"name":"n","vni":7,"port":4789,"mtu":9}', "'mtu' is 9, not from 68 to 65535"),
    (ClusterNetwork, "n", '{"name":"n","vni":true,"port":4789,"mtu":1450}', "expected int, found True"),
    (VniClaim, "99999999", '{"vni":99999999,"network":"n"}', "'vni' is 99999999"),
    (KnownHost, "a", '{"id":"a","name":"\\u001b[31m","address":"192.0.2.1"}', "'name' is '\\x1b[31m'"),
    (ClusterLease, "n/10.0.0.0/24#10.1.0.1", '{"pool_id":"n/10.0.0.0/24","address":"10.1.0.1","host":"","token":""}',
     "10.1.0.1 is not in the subnet 10.0.0.0/24"),
    (PoolGateway, "n", '{"pool_id":"n","address":"10.1.0.1"}', "'' is not a subnet"),
    (PoolUse, "n/10.0.0.0/24@a#b/t", '{"pool_id":"n/10.0.0.0/24","host":"a#b","token":"t","subnet":"10.0.0.0/24"}',
     "'host' is 'a#b', which is no name"),
    (PoolGeneration, "v4", '{"version":4,"number":-1}', "'number' is -1"),
    (Pool, "p", '{"id":"p","subnet":"10.0.0.1/24"}', "has host bits set"),
    (ClusterHost, "a", '{"id":"a","name":"' + "x" * 300 + '","address":"192.0.2.1","started":0}', "has 300 characters"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "key", "body", "why"), BAD)
def test_each_field_is_checked(kind: type[Record], key: str, body: str, why: str) -> None:
    """A listing leaves the record out with a reason, and a request for it gets that reason."""
    store = MemoryStore()
    store.spoil(kind, key, body)

    assert store.list(kind) == []
    assert why in store.set_aside(kind)[key]
    with pytest.raises(Unreadable, match=f"record {kind.kind} '.*' of the cluster store cannot be read"):
        store.get(kind, key)


@pytest.mark.parametrize("body", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_set_aside_until_it_is_mended(body: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Pynet warns once per revision, however often it reads the record."""
    store, good = MemoryStore(), Member("blue", "h2", "d4", rq.ipam("192.0.2.1/24").gateway.ip)  # type: ignore[union-attr]
    for _ in range(2):
        store.spoil(Member, good.key, body)
        assert [store.list(Member), store.list(Member, "blue/"), store.list(Member, "other/")] == [[], [], []]
    assert capsys.readouterr().out.count("set aside") == 2
    store.transact(Put(good))

    assert [item.record for item in store.list(Member)] == [good]
    assert store.set_aside(Member) == {}


@pytest.fixture
def world() -> OverlayWorld:
    """Return a host with a network that it shares with another."""
    world = OverlayWorld()
    world.driver.create_network(overlay())
    OverlayWorld(2, world.real).driver.create_network(overlay(rq.OTHER_ID))
    return world


def test_a_bad_endpoint_keeps_no_other_from_the_tables(world: OverlayWorld) -> None:
    """Later endpoints are written, and this one after it is mended; if its record goes bad again, it is removed."""
    world.real.spoil(Peer, "blue/bad", PEER.format("bad", "zz", 60))
    world.real.spoil(Peer, "blue/good", PEER.format("good", "03", 3))
    world.hear()
    assert Forward("02:42:0a:09:00:03") in world.tunnels.tables[LINK]
    world.real.spoil(Peer, "blue/bad", PEER.format("bad", "04", 4))
    world.hear()
    assert Forward("02:42:0a:09:00:04") in world.tunnels.tables[LINK]
    world.real.spoil(Peer, "blue/bad", "")
    world.hear()

    assert Forward("02:42:0a:09:00:04") not in world.tunnels.tables[LINK]


def test_an_entry_that_the_kernel_refuses_is_left_alone(
    world: OverlayWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """All other entries are written; pynet warns once, and tries this one again in the next survey."""
    refused = Forward("02:42:0a:09:00:03")
    world.tunnels.refused = {refused}
    world.hear()
    for number in (3, 4, 5):
        record = decode(Peer, PEER.format(f"e{number}", f"0{number}", number))
        world.peers.watching.heard(Event(Peer.kind, record.key, record, 100 + number))
        world.peers.sync()
    said = capsys.readouterr().out
    assert said.count("left out of the tables") == 1
    assert Forward("02:42:0a:09:00:05") in world.tunnels.tables[LINK]
    world.tunnels.refused, world.tunnels.asked = set(), []
    world.peers.sync(everything=True)

    assert world.tunnels.asked == [refused]


def test_what_is_refused_is_said_once(world: OverlayWorld, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused entry is logged once, not at every change, and again if it comes back."""
    for number in (1, 4, 5):
        world.real.spoil(Peer, f"blue/e{number}", PEER.format(f"e{number}", f"0{number}", number))
        world.hear()
    said = capsys.readouterr().out

    assert said.count("left out of the tables") == 1
    assert "address 10.9.0.1 is the gateway's" in said


def test_one_network_that_goes_wrong_stops_no_other(world: OverlayWorld, capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected error of one network is logged once and tried again; the other networks go on."""
    world.driver.create_network(overlay("c3" * 32, "10.7.0.1/24", network="green"))
    entries, broken = world.tunnels.entries, LINK

    def fail(bridge: str, link: str) -> Any:
        if link == broken:
            raise RuntimeError("nobody foresaw this")
        return entries(bridge, link)

    world.tunnels.entries = fail  # type: ignore[method-assign]
    world.real.spoil(Member, "green/h2/d4", MEMBER.replace("blue", "green"))
    world.real.spoil(Peer, "green/e", PEER.format("e", "03", 3).replace("blue", "green").replace("10.9", "10.7"))
    world.hear()
    world.peers.sync(everything=True)

    assert len(world.tunnels.tables["pnvc3c3c3c3c3c3"]) == 4
    assert capsys.readouterr().out.count("writing of network 'blue' failed, goes on") == 1


def test_bad_members_are_members(world: OverlayWorld) -> None:
    """The agreement of members with bad records stays, as their hosts still have the network."""
    for item in world.real.list(Member):
        world.real.spoil(Member, item.record.key, "{")
    drop_unused_networks(world.real)
    agreed = [item.record for item in world.real.list(ClusterNetwork)]
    assert [network.name for network in agreed] == ["blue"]
    third = OverlayWorld(3, world.real)
    with pytest.raises(Conflict, match="has subnets"):
        third.driver.create_network(overlay("e5" * 32, "10.8.0.1/24"))

    assert [item.record for item in world.real.list(ClusterNetwork)] == agreed


def test_a_bad_network_is_refused_alone(world: OverlayWorld) -> None:
    """A network with a bad record is refused with its name; another one is joined, with a VNI of no bad claim."""
    world.real.spoil(ClusterNetwork, "red", "{")
    with pytest.raises(Unreadable, match="record cluster-network 'red' of the cluster store cannot be read"):
        world.driver.create_network(overlay("e5" * 32, "10.8.0.1/24", network="red"))
    taken = OverlayWorld(9).real
    probe = OverlayWorld(9, taken)
    probe.driver.create_network(overlay("e5" * 32, "10.8.0.1/24", network="green"))
    (first,) = [item.record.vni for item in taken.list(ClusterNetwork)]
    world.real.spoil(VniClaim, str(first), "{")
    world.driver.create_network(overlay("e5" * 32, "10.8.0.1/24", network="green"))

    assert {item.record.name: item.record.vni for item in world.real.list(ClusterNetwork)}["green"] == first + 1


def test_own_records_are_written_over_bad_ones(world: OverlayWorld) -> None:
    """A host overwrites bad records in its own places, whatever bad records of others there are."""
    (mine,) = [item.record for item in world.real.list(Member) if item.record.host == "h1"]
    world.real.spoil(Member, mine.key, "{")
    world.real.spoil(ClusterNetwork, "blue", "{")
    world.driver.create_endpoint(rq.endpoint())
    (peer,) = [item.record for item in world.real.list(Peer)]
    world.real.spoil(Peer, peer.key, "{")
    world.hear()

    assert mine in [item.record for item in world.real.list(Member)]
    assert peer in [item.record for item in world.real.list(Peer)]


def test_a_pool_in_use_by_a_bad_record_stays() -> None:
    """The pool and its addresses stay; and an address with a bad lease is not handed out."""
    shared = FakeClusterStore()
    a, b = ClusterMember(shared, "a"), ClusterMember(shared, "b")
    pool = a.pool("10.0.0.0/30")
    for item in shared.list(PoolUse):
        shared.spoil(PoolUse, item.record.key, "{")
    SharedPools(shared).drop_unused()
    assert len(shared.list(Pool)) == 1
    shared.spoil(Pool, "blue/10.0.0.0/30", "{")
    assert b.pool().startswith("pynet-cluster/blue/10.0.0.0/30/")
    shared.spoil(ClusterLease, "blue/10.0.0.0/30#10.0.0.1", "{")

    assert str(a.address(pool)) == "10.0.0.2"


def test_a_removal_passes_over_a_bad_record() -> None:
    """A removal passes over a bad record, so that the removals behind it are carried out."""
    local, shared = MemoryStore(), FakeClusterStore()
    outbox = Outbox(local, shared, [KnownHost])
    hosts = [KnownHost(name, name, rq.ipam("192.0.2.1/24").gateway.ip) for name in "ab"]  # type: ignore[union-attr]
    shared.transact(*map(Put, hosts))
    shared.spoil(KnownHost, "a", "{")
    outbox.take_back(*hosts)

    assert not outbox.pending
    assert shared.list(KnownHost) == []


def test_a_host_renews_over_its_bad_record() -> None:
    """A host renews over a bad record in its place, so it counts as alive; other errors do not end the thread."""
    member = ClusterMember(FakeClusterStore())
    member.beat()
    member.shared.spoil(ClusterHost, member.me.id, "{")  # type: ignore[attr-defined]
    member.beat()
    assert [item.record for item in member.shared.list(ClusterHost)] == [member.me]

    def fail() -> None:
        raise ValueError("nobody foresaw this")

    broken = Membership(member.shared, member.me, fail)
    broken.start()
    broken.stop()
    assert not broken.available


def test_the_status_names_what_is_left_out() -> None:
    """The status names a record that is left out until it is mended or removed."""
    store = FakeClusterStore()
    store.spoil(Peer, "blue/bad\x1b4", encode(Peer("blue", "bad4", "h2", "zz")))
    state = cluster_status(store, LocalState, KINDS_IN_CLUSTER)
    assert "".join(state.problems) == (
        "record cluster-peer 'blue/bad\\x1b4' is left out by all hosts until somebody mends or removes it: "
        "read a stored cluster-peer: its key is another one's"
    )
    store.transact(Remove(Peer, "blue/bad\x1b4"))

    assert cluster_status(store, LocalState, KINDS_IN_CLUSTER).problems == ()
