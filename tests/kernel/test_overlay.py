"""Overlay mode on a real kernel: hosts are namespaces on one underlay, and share a store in memory."""

from dataclasses import replace

import pytest

from plugin.cluster.overlay.records import Peer
from plugin.errors import Conflict
from plugin.ipam.supernets import parse_supernets
from plugin.model.records import Endpoint, Network
from plugin.modes.registry import in_its_mode
from plugin.protocol.messages import EndpointRef
from plugin.rebuild.networks import rebuilder
from plugin.store.memory import MemoryStore
from tests.kernel.capture import ETH_P_IP, GREETINGS, Capture
from tests.kernel.container import Container
from tests.kernel.hosts import MakeHosts, OverlayHost, soon
from tests.overlay_fakes import overlay
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
DUAL = ("10.9.0.1/24", "fd00:9::1/64")
MAC2, MAC3 = "02:42:0a:09:00:02", "02:42:0a:09:00:03"
BLUE, GREEN = rq.NETWORK_ID, rq.OTHER_ID
ALL_NODES = "33:33:00:00:00:01"


@pytest.fixture
def three(make_hosts: MakeHosts) -> list[OverlayHost]:
    """Return three hosts with the network blue, VNI 70."""
    hosts = make_hosts(3)
    for host in hosts:
        host.create(overlay(BLUE, *DUAL, vni="70"))
    return hosts


def reach(box: Container, *addresses: str) -> bool:
    """Say whether a container reaches all of ``addresses``, soon."""
    return all(soon(lambda address=address: box.reaches(address)) for address in addresses)  # type: ignore[misc]


def run(hosts: list[OverlayHost]) -> list[Container]:
    """Start one container a host, .2 on the first and so on, and wait until all tables are complete."""
    boxes = [host.run(BLUE, number) for number, host in enumerate(hosts, 2)]
    expected = (len(hosts) - 1) * 5  # two neighbours, a MAC in two tables, and the host itself
    assert soon(lambda: all(len(host.entries()) == expected for host in hosts))
    return boxes


@pytest.mark.parametrize("prefix", ["192.0.2.", "2001:db8::"])
def test_containers_of_otherhosts_reach_each_other(make_hosts: MakeHosts, prefix: str) -> None:
    """Over IPv4 and IPv6 inside, over IPv4 and over IPv6 outside."""
    hosts = make_hosts(3, prefix)
    for host in hosts:
        host.create(overlay(BLUE, *DUAL))

    for box in run(hosts):
        for number in (2, 3, 4):
            assert reach(box, f"10.9.0.{number}", f"fd00:9::{number}")


@pytest.mark.parametrize(("prefix", "mtu"), [("192.0.2.", 1450), ("2001:db8::", 1430)])
def test_a_full_frame_fits(make_hosts: MakeHosts, prefix: str, mtu: int) -> None:
    """The largest packet of a container fills the underlay's exactly, in one piece and with the right VNI."""
    hosts = make_hosts(2, prefix)
    for host in hosts:
        host.create(overlay(BLUE, *DUAL, vni="70"))
    one, _ = run(hosts)

    with Capture("h2") as capture:
        one.sh(f"ping -c 1 -W 2 -M do -s {mtu - 28} 10.9.0.3")
        pings = [frame for frame in capture.tunnelled() if frame.kind == ETH_P_IP and frame.to in {MAC2, MAC3}]
        assert {(frame.vni, frame.outer_length) for frame in pings} == {(70, 1500)}
        assert capture.fragments == 0
    with pytest.raises(AssertionError, match="essage too long"):
        one.sh(f"ping -c 1 -W 2 -M do -s {mtu - 27} 10.9.0.3")


def test_nothing_is_flooded_for_known_peers(three: list[OverlayHost]) -> None:
    """Two containers talk, from their first question on, and the third host's cable carries nothing."""
    one, _, _ = run(three)

    with Capture("h3") as third, Capture("h2") as second:
        assert reach(one, "10.9.0.3", "fd00:9::3")
        assert [frame for frame in third.tunnelled() if frame.to not in GREETINGS] == []
        assert {frame.to for frame in second.tunnelled() if frame.to not in GREETINGS} == {MAC2, MAC3}


def test_the_gateway_is_never_asked_for_outside(three: list[OverlayHost]) -> None:
    """Each host answers for it, and nothing of that is heard on the underlay."""
    boxes = run(three)

    with Capture("h1") as capture:
        assert all(reach(box, "10.9.0.1", "fd00:9::1") for box in boxes)
        assert [frame for frame in capture.tunnelled() if frame.to not in GREETINGS] == []


def test_broadcast_and_multicast_reach_every_host(three: list[OverlayHost]) -> None:
    """One copy a host, by head-end replication; containers answer a ping to all nodes of the link."""
    one, _, _ = run(three)

    with Capture("h2") as second, Capture("h3") as third:
        answers = one.sh("ping -c 2 ff02::1%eth0")
        copies = [[frame.to for frame in capture.tunnelled()].count(ALL_NODES) for capture in (second, third)]
    assert copies == [2, 2]
    assert "duplicates" in answers  # its own answer is the first, those of the others are too many


def test_each_host_leads_its_own_containers_out(three: list[OverlayHost]) -> None:
    """With its own address as source, and back in by a published port."""
    boxes = run(three)
    boxes[1].echo()
    for host in three:
        host.sh("ip link set ul0 up")

    assert reach(boxes[0], "192.0.2.2")
    three[1].publish(BLUE, 3, "8080")
    assert boxes[0].asks("192.0.2.2", 8080) == "192.0.2.1"


def test_networks_with_one_subnet_never_meet(make_hosts: MakeHosts) -> None:
    """Two internal networks on the same two hosts, with the same addresses in both."""
    hosts = make_hosts(2)
    for host in hosts:
        host.create(overlay(BLUE, *DUAL, internal=True))
        host.create(overlay(GREEN, *DUAL, internal=True, network="green"))
    blue, green = hosts[0].run(BLUE, 2), hosts[0].run(GREEN, 2, endpoint="92" * 32)
    hosts[1].run(BLUE, 3)
    assert reach(blue, "10.9.0.3")

    assert not green.reaches("10.9.0.3")
    assert not green.reaches("fd00:9::3")
    hosts[1].run(GREEN, 4)
    assert reach(green, "10.9.0.4")
    assert not blue.reaches("10.9.0.4")


def test_a_container_that_moves_is_found(three: list[OverlayHost]) -> None:
    """A container that moves, with its address and a new endpoint id, is found on its new host."""
    one, _, _ = run(three)
    three[1].stop(BLUE, 3)
    three[2].run(BLUE, 3, endpoint="77" * 32)

    assert reach(one, "10.9.0.3", "fd00:9::3")
    remote = {str(entry) for entry in three[0].entries()}
    assert "02:42:0a:09:00:03 on host 192.0.2.3" in remote
    assert "02:42:0a:09:00:03 on host 192.0.2.2" not in remote


def test_a_container_that_is_lost_is_made_anew_elsewhere(three: list[OverlayHost], shared: MemoryStore) -> None:
    """A container that was killed silently is withdrawn when its link is gone, and can be created elsewhere."""
    one, lost, _ = run(three)
    lost.end()
    assert soon(lambda: "pnh030303030303" not in three[1].sh("ip -br link"))
    three[1].do(three[1].pynet.reconciler.reconcile)
    assert len(shared.list(Peer)) == 2
    three[2].run(BLUE, 3, endpoint="77" * 32)

    assert reach(one, "10.9.0.3", "fd00:9::3")


def test_an_address_is_taken_over_from_a_dead_host(three: list[OverlayHost]) -> None:
    """Refused while the host is alive; afterwards the later record counts, whatever the host left behind."""
    one, _, _ = run(three)
    with pytest.raises(Conflict, match=r"address 10\.9\.0\.3, fd00:9::3 .* on host 'h2'"):
        three[2].run(BLUE, 3, endpoint="77" * 32)
    three[2].dead.add("h2")
    three[2].run(BLUE, 3, endpoint="77" * 32)

    assert soon(lambda: "02:42:0a:09:00:03 on host 192.0.2.3" in {str(entry) for entry in three[0].entries()})
    assert reach(one, "10.9.0.3")


@pytest.mark.parametrize("guard", ["on", "off"])
def test_a_container_whose_address_is_elsewhere_is_silent(three: list[OverlayHost], guard: str) -> None:
    """On its own host too the address leads to the container that has it now, and back when that is gone."""
    one, other = three[0], three[2]
    lost, beside = one.run(BLUE, 2, guard=guard), one.run(BLUE, 5)
    assert reach(beside, "10.9.0.2")
    other.dead.add("h1")
    there = other.run(BLUE, 2, endpoint="77" * 32)
    there.echo()
    one.do(one.pynet.presence.mend)

    assert soon(lambda: beside.asks("10.9.0.2", 7777) == "10.9.0.5")
    assert beside.reaches("fd00:9::2")
    assert not lost.reaches("10.9.0.5")
    other.do(lambda: other.pynet.driver.delete_endpoint(EndpointRef(BLUE, "77" * 32)))
    one.do(one.pynet.presence.mend)
    assert reach(lost, "10.9.0.5", "fd00:9::5")


@pytest.mark.parametrize(
    "damage",
    [
        "bridge fdb del 02:42:0a:09:00:03 dev {link} self dst 192.0.2.2",
        "bridge fdb del 02:42:0a:09:00:03 dev {link} master",
        "ip neigh flush all nud permanent dev {bridge}",
        "bridge fdb add 02:42:0a:09:00:99 dev {link} self dst 192.0.2.9",
    ],
)
def test_tables_that_others_changed_are_mended(three: list[OverlayHost], damage: str) -> None:
    """Missing entries of tables are written, and surplus ones removed."""
    run(three)
    before = three[0].entries()
    three[0].sh(damage.format(link=f"pnv{BLUE[:12]}", bridge=f"pn-{BLUE[:12]}"))
    three[0].do(lambda: three[0].pynet.peers.sync(everything=True))

    assert three[0].entries() == before


def test_a_tunnel_that_others_deleted_is_made_again_with_its_tables(three: list[OverlayHost]) -> None:
    """The reconciler makes it; writing of tables alone leaves it to the reconciler, which holds the network's lock."""
    one, _, _ = run(three)
    before, tunnel = three[0].entries(), f"pnv{BLUE[:12]}"
    three[0].sh(f"ip link del {tunnel}")
    three[0].do(lambda: three[0].pynet.peers.sync(everything=True))
    assert tunnel not in three[0].sh("ip -br link")
    three[0].do(three[0].pynet.reconciler.reconcile)

    assert three[0].entries() == before
    assert reach(one, "10.9.0.3")


def test_a_restart_leaves_traffic_alone_and_finds_what_changed(three: list[OverlayHost], shared: MemoryStore) -> None:
    """While pynet is away the tables stay; after its start they follow the changes of that time."""
    one, _, _ = run(three)
    three[0].crash()
    assert reach(one, "10.9.0.3")
    three[1].stop(BLUE, 3)
    three[1].run(BLUE, 5)
    three[0].restart()

    assert reach(one, "10.9.0.5")
    assert "10.9.0.3" not in " ".join(map(str, three[0].entries()))
    assert len(shared.list(Peer)) == 3


def test_a_host_that_moved_sends_from_its_new_address(three: list[OverlayHost]) -> None:
    """The underlay's address is another one after the restart; the tunnel is made anew for it, and all talk on."""
    one, _, _ = run(three)
    three[0].crash()
    three[0].sh("ip addr del 192.0.2.1/24 dev ul0; ip addr add 192.0.2.101/24 dev ul0")
    three[0].move("192.0.2.101")
    three[0].restart()

    assert "local 192.0.2.101" in three[0].sh(f"ip -d link show pnv{BLUE[:12]}")
    assert reach(one, "10.9.0.3", "10.9.0.4", "fd00:9::3")


def test_a_host_that_lost_its_store_reads_the_network_from_its_links(three: list[OverlayHost]) -> None:
    """What the hosts agreed on stands in the tunnel's alias, and the endpoint in its link's."""
    host = three[0]
    run(three)
    [network], [endpoint] = host.pynet.store.list(Network), host.pynet.store.list(Endpoint)
    host.publish(BLUE, 2, "8080")
    rebuild = rebuilder(
        host.pynet.kernel, host.pynet.nft, "pynet", parse_supernets("", "0123456789abcdef"), in_its_mode
    )
    first, second = host.do(lambda: rebuild([]))
    assert isinstance(first, Network)
    assert isinstance(second, Endpoint)

    assert replace(first, options=network.record.options) == network.record
    assert first.options["pynet.network"] == "blue"
    assert replace(second, published=()) == endpoint.record


def test_a_removed_network_leaves_nothing(make_hosts: MakeHosts, shared: MemoryStore) -> None:
    """A removed network leaves no links, rules or records."""
    (host,) = make_hosts(1)
    before = host.sh("ip -br link | sed s/@.*//; nft list ruleset")
    host.create(overlay(BLUE, *DUAL))
    host.run(BLUE, 2)
    host.do(host.pynet.end)

    assert host.sh("ip -br link | sed s/@.*//; nft list ruleset") == before
    assert shared.list(Peer) == []
