"""A network without a tunnel over three hosts with real engines."""

from collections.abc import Iterator
from itertools import permutations

import pytest

from tests.cluster.overlay.cluster import Cluster, pinging, transfer
from tests.engine.lab.process import wait_until
from tests.engine.lab.shell import CommandFailed


@pytest.fixture(scope="module")
def plain(cluster: Cluster) -> Iterator[Cluster]:
    """The nodes with the network plain, 10.78.0.0/24 and fd78::/64, without a tunnel, and one container each."""
    before, cluster.tunnel = cluster.tunnel, "direct"
    try:
        with cluster.inhabited("plain", "--subnet", "10.78.0.0/24", "--ipv6", "--subnet", "fd78::/64"):
            yield cluster
    finally:
        cluster.tunnel = before


def test_containers_reach_each_other_without_vxlan(plain: Cluster) -> None:
    """Over both families, by TCP, with the whole MTU of the cable, and not one frame of VXLAN."""
    boxes = [node.boxes[0] for node in plain.nodes]
    with plain.underlay.switch.listening("h2") as heard:
        for one, two in permutations(boxes, 2):
            assert one.reaches(two.ip6)
            assert transfer(one, two, two.ip) == 1_000_000
        boxes[0].net("ping", "-c", "1", "-W", "2", "-M", "do", "-s", "1472", boxes[1].ip)

    assert heard["frames"] == []


def test_nothing_is_lost_while_the_store_or_pynet_is_away(plain: Cluster) -> None:
    """Containers that go meanwhile are forgotten soon after; those that come are reached."""
    one, two, three = plain.nodes
    doomed = two.run("plain")
    plain.wait("plain")
    with pinging(one.boxes[0], two.boxes[0].ip) as first, pinging(two.boxes[0], three.boxes[0].ip6) as second:
        one.pynet.kill()
        two.remove(doomed)
        late = three.run("plain")
        one.pynet.start()
        plain.wait("plain", 20)

    assert first()[1] == second()[1] == 0
    assert one.boxes[0].reaches(late.ip)


def test_routes_that_somebody_flushes_are_written_again(plain: Cluster) -> None:
    """At once, without a loss that a user would notice."""
    node = plain.nodes[0]
    node.host.net("ip", "route", "flush", "proto", "81")

    wait_until(lambda: plain.settled("plain"), "the routes", 5)
    assert node.boxes[0].reaches(plain.nodes[1].boxes[0].ip)


def test_a_published_port_and_others_are_as_with_a_tunnel(plain: Cluster) -> None:
    """A published port is open on its host; a container's own port is not, to who is of no network."""
    one, two, _ = plain.nodes
    served = two.run("plain", "-p", "8080:7777")
    with served.echo(7777):
        assert one.address in one.boxes[0].net("curl", "-s", "--max-time", "3", f"telnet://{two.address}:8080")
    with pytest.raises(CommandFailed):
        one.host.net("ping", "-c", "1", "-W", "1", served.ip)
