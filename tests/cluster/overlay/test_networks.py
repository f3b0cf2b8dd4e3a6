"""One network over three hosts with real engines, as a user sees it."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import pytest

from tests.bare import PYTHON
from tests.cluster.overlay.cluster import Box, Cluster, pinging, transfer
from tests.cluster.overlay.conftest import SUBNETS
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import PROBE, seen_from
from tests.engine.lab.service import command
from tests.engine.lab.shell import CommandFailed
from tests.kernel.capture import GREETINGS

MEGABYTE = 1_000_000


def boxes(cluster: Cluster) -> Sequence[Box]:
    """Return every container, those of the first host first."""
    return [box for node in cluster.nodes for box in node.boxes]


def test_every_container_reaches_every_other(blue: Cluster) -> None:
    """Over both families, and a megabyte by TCP each way."""
    for one, two in permutations(boxes(blue), 2):
        assert one.reaches(two.ip)
        assert one.reaches(two.ip6)
        assert transfer(one, two, two.ip) == MEGABYTE
        assert transfer(one, two, two.ip6) == MEGABYTE


def test_a_full_frame_passes_in_one_piece(blue: Cluster) -> None:
    """1,450 bytes fill the 1,500 of the underlay, under the VNI that was given."""
    one, two, _ = boxes(blue)
    with blue.underlay.switch.listening("h2") as heard:
        one.net("ping", "-c", "1", "-W", "2", "-M", "do", "-s", "1422", two.ip)

    assert {(vni, length) for vni, to, _, length in heard["frames"] if to == two.mac} == {(77, 1500)}
    assert heard["fragments"] == 0


def test_known_peers_cost_the_others_nothing(blue: Cluster) -> None:
    """Two containers talk and the third host hears nothing; nor is anybody asked for an address."""
    one, two, _ = boxes(blue)
    switch = blue.underlay.switch
    with switch.listening("h3") as third, switch.listening("h2") as second:
        assert one.reaches(two.ip)
        assert one.reaches(two.ip6)

    assert [to for _, to, _, _ in third["frames"] if to not in GREETINGS] == []
    assert {to for _, to, _, _ in second["frames"] if to not in GREETINGS} == {one.mac, two.mac}


def test_a_group_has_its_members_on_all_hosts(blue: Cluster) -> None:
    """Who joins and who leaves a group is told by the store, in both families and protocols; others get no answer."""
    one, two, three = boxes(blue)
    _policy(two, "set", "--group", "app", "--from", "web tcp/7777, web udp/7777")
    _policy(one, "set", "--group", "web")
    with two.echo(7777):
        wait_until(lambda: seen(one, two) == {one.ip, one.ip6}, "the member to be let in", 20)
        assert seen(three, two) == {""}
        _policy(three, "set", "--group", "web")
        _policy(one, "reset")
        wait_until(lambda: seen(three, two) == {three.ip, three.ip6}, "the new member to be let in", 20)
        wait_until(lambda: seen(one, two) == {""}, "the former member to be shut out", 20)


def _policy(box: Box, verb: str, *options: str) -> None:
    command(box.host, "policy", verb, box.name, *options)


def seen(box: Box, server: Box) -> set[str]:
    """Return the addresses that a server sees when a container asks in all ways at once; "" for no answer."""
    ways = [(kind, address) for kind in ("tcp", "udp") for address in (server.ip, server.ip6)]
    with ThreadPoolExecutor(len(ways)) as pool:
        return set(pool.map(lambda way: seen_from(box.net, way[1], way[0], 7777), ways))


def test_networks_with_one_subnet_never_meet(cluster: Cluster) -> None:
    """Two internal networks on the same hosts with the same addresses."""
    names = ("red", "green")
    for name in names:
        cluster.create(name, "--internal", *SUBNETS)
    try:
        red, green = (cluster.nodes[0].run(name, "--ip", "10.77.0.9") for name in names)
        there_red = cluster.nodes[1].run("red", "--ip", "10.77.0.10")
        there_green = cluster.nodes[1].run("green", "--ip", "10.77.0.11")
        wait_until(lambda: red.reaches(there_red.ip) and green.reaches(there_green.ip), "both networks to work", 10)
        assert not red.reaches(there_green.ip)
        assert not green.reaches(there_red.ip)
        assert not green.reaches(there_red.ip6)
    finally:
        for name in names:
            cluster.remove(name)


def test_sixty_containers_at_once_have_sixty_addresses(blue: Cluster) -> None:
    """Twenty on each host; afterwards every host knows the forty of the others."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: blue.nodes[number % 3].run("blue"), range(60)))

    assert len({box.ip for box in boxes(blue)}) == len({box.ip6 for box in boxes(blue)}) == 63
    blue.wait("blue")
    assert blue.nodes[0].boxes[-1].reaches(blue.nodes[2].boxes[-1].ip)


def test_hosts_with_ranges_of_their_own_share_a_network(cluster: Cluster) -> None:
    """Hosts with ranges of their own share a network; an address of another host is refused with its name."""
    nodes = cluster.nodes[:2]
    for number, node in enumerate(nodes):
        given = ("--subnet", "10.80.0.0/24", "--gateway", "10.80.0.1", "--ip-range", f"10.80.0.{16 * number + 16}/28")
        node.create("plain", *given, ipam=False)
    try:
        one, two = (node.run("plain") for node in nodes)
        wait_until(lambda: one.reaches(two.ip) and two.reaches(one.ip), "the two to reach each other", 10)
        complaint = nodes[0].host.docker.fails("run", "--rm", "--network", "plain", "--ip", two.ip, "busybox")
        assert f"address {two.ip} of network 'plain' belongs to endpoint" in complaint
    finally:
        for node in nodes:
            node.clear()
            node.host.docker("network", "rm", "plain")


def test_each_host_publishes_and_leads_out_its_own(blue: Cluster) -> None:
    """A port of a container on the second host is reached there by one on the first, whose host's address it sees."""
    one, server = blue.nodes[0].boxes[0], blue.nodes[1].run("blue", "-p", "8080:7777")
    with server.echo(7777):
        assert one.net(*PYTHON, PROBE, "tcp", "192.0.2.2", "8080") == "192.0.2.1"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--subnet", "10.78.0.0/24", *SUBNETS[2:]), "has subnet"),
        ((*SUBNETS, "-o", "pynet.vni=78"), "has VNI 77 on the other hosts, and this host was told 78"),
        ((*SUBNETS, "-o", "com.docker.network.driver.mtu=1400"), "has MTU 1450 on the other hosts, .* told 1400"),
        ((*SUBNETS, "-o", "pynet.vxlan_port=8472"), "has UDP port 4789 on the other hosts, .* told 8472"),
        ((*SUBNETS, "--internal"), "has internal false on the other hosts, and this host was told true"),
    ],
)
def test_another_opinion_is_refused_with_both_values(blue: Cluster, arguments: tuple[str, ...], sentence: str) -> None:
    """Nothing is left of the attempt, and the network works as before."""
    node = blue.nodes[2]
    box = node.boxes[0]
    node.remove(box)
    node.host.docker("network", "rm", "blue")
    try:
        with pytest.raises(CommandFailed, match=sentence):
            node.create("blue", *arguments)
        assert "blue" not in node.host.docker("network", "ls", "--format", "{{.Name}}").split()
        wait_until(lambda: "pn" not in node.host.net("ip", "-br", "link"), "no link to be left", 5)
    finally:
        node.create("blue", *SUBNETS)
    assert node.run("blue").reaches(blue.nodes[0].boxes[0].ip)


def test_a_container_that_moves_is_reached_within_two_seconds(blue: Cluster) -> None:
    """Removed on one host and started with its address on another, it answers the others at once."""
    one, two, _ = boxes(blue)
    with pinging(one, two.ip) as loss:
        time.sleep(0.5)
        blue.nodes[1].remove(two)
        moved = blue.nodes[2].run("blue", "--ip", two.ip)
        wait_until(lambda: one.reaches(moved.ip), "the container to answer from its new host", 2)

    assert loss()[0] > 0
    blue.wait("blue")


def test_while_the_store_is_away_only_joins_fail(blue: Cluster) -> None:
    """Within five seconds and with a sentence; containers talk and can be stopped, and then everything catches up."""
    one, two, three = boxes(blue)
    for server in blue.underlay.servers:
        server.kill()
    with pinging(one, two.ip) as loss:
        begin = time.monotonic()
        complaint = blue.nodes[0].host.docker.fails("run", "-d", "--network", "blue", "busybox")
        assert time.monotonic() - begin < 8  # five for the join, the rest is the engine's own
        assert (
            "no server" in complaint
            or "did not answer" in complaint
            or "etcd" in complaint
            or "zookeeper" in complaint.lower()
        )
        blue.nodes[2].remove(three)
    blue.underlay.start()

    assert loss()[1] == 0
    blue.wait("blue", 20)
    assert blue.nodes[2].run("blue").reaches(one.ip)


def test_traffic_does_not_need_pynet(blue: Cluster) -> None:
    """No packet is lost while pynet is dead on one host; after its start it learns the changes of that time."""
    one, two, _ = boxes(blue)
    with pinging(one, two.ip) as loss:
        blue.nodes[0].pynet.kill()
        late = blue.nodes[2].run("blue")
        time.sleep(0.5)
        blue.nodes[0].pynet.start()
        blue.wait("blue")

    assert loss()[1] == 0
    assert one.reaches(late.ip)
