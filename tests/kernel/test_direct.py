"""Networks that are routed between hosts, on a real kernel: hosts are namespaces on one underlay."""

import pytest

from plugin.protocol.messages import EndpointRef
from tests.kernel.capture import Capture
from tests.kernel.container import Container
from tests.kernel.hosts import MakeHosts, OverlayHost, soon
from tests.overlay_fakes import overlay
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
DUAL = ("10.9.0.1/24", "fd00:9::1/64")
BLUE, GREEN = rq.NETWORK_ID, rq.OTHER_ID
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
ROUTES = "ip route show proto 81; ip -6 route show proto 81"


def start(make_hosts: MakeHosts, count: int, prefix: str = "192.0.2.", tunnel: str = "direct") -> list[OverlayHost]:
    """Return hosts with the network blue, VNI 70."""
    hosts = make_hosts(count, prefix)
    for host in hosts:
        host.create(overlay(BLUE, *DUAL, vni="70", tunnel=tunnel))
    return hosts


def reach(box: Container, *addresses: str) -> bool:
    """Say whether a container reaches all of ``addresses``, soon."""
    return all(soon(lambda address=address: box.reaches(address)) for address in addresses)  # type: ignore[misc]


def run(hosts: list[OverlayHost]) -> list[Container]:
    """Start one container a host, .2 on the first and so on, and wait until all routes are there."""
    boxes = [host.run(BLUE, number) for number, host in enumerate(hosts, 2)]
    assert soon(lambda: all(len(host.sh(ROUTES).splitlines()) == 2 * len(hosts) - 2 for host in hosts))
    return boxes


@pytest.mark.parametrize(("tunnel", "prefix", "mtu"), [("direct", "192.0.2.", 1500), ("auto", "2001:db8::", 1430)])
def test_containers_of_three_hosts_reach_each_other_without_a_tunnel(
    make_hosts: MakeHosts, tunnel: str, prefix: str, mtu: int
) -> None:
    """Over both families inside and outside, with full packets, their own addresses, and no VXLAN between them."""
    boxes = run(start(make_hosts, 3, prefix, tunnel=tunnel))
    boxes[1].echo()

    with Capture("h2") as capture:
        for box in boxes:
            for number in (2, 3, 4):
                assert reach(box, f"10.9.0.{number}", f"fd00:9::{number}")
        assert [frame for frame in capture.tunnelled() if frame.to.startswith("02:42")] == []
    assert boxes[0].asks("10.9.0.3", 7777) == "10.9.0.2"
    boxes[0].sh(f"ping -c 1 -W 2 -M do -s {mtu - 28} 10.9.0.3")
    with pytest.raises(AssertionError, match="essage too long"):
        boxes[0].sh(f"ping -c 1 -W 2 -M do -s {mtu - 27} 10.9.0.3")


def test_an_internal_network_is_routed_and_stays_closed(make_hosts: MakeHosts) -> None:
    """Its containers reach each other, and nothing beyond their network."""
    hosts = make_hosts(2)
    for host in hosts:
        host.create(overlay(BLUE, *DUAL, internal=True, tunnel="direct"))
    one, _ = run(hosts)
    one.sh("ip route add 192.0.2.0/24 via 10.9.0.1")

    assert reach(one, "10.9.0.3", "fd00:9::3")
    assert not one.reaches("192.0.2.2")


def test_nobody_else_reaches_containers_of_other_hosts(make_hosts: MakeHosts) -> None:
    """Neither another network's containers, nor the host, nor who sends with a container's address from elsewhere."""
    hosts = start(make_hosts, 2)
    for host in hosts:
        host.create(overlay(GREEN, "10.8.0.1/24", network="green", tunnel="direct", guard="off"))
    run(hosts)
    green = hosts[0].run(GREEN, 4, endpoint="94" * 32)
    green.sh("ip addr add 10.9.0.2/32 dev eth0")

    assert not green.reaches("10.9.0.3")
    assert "0 received" in green.sh("ping -c 1 -W 1 -I 10.9.0.2 10.9.0.3 || true")
    assert "0 received" in hosts[0].sh("ping -c 1 -W 1 10.9.0.3 || true")


def test_without_icc_nothing_crosses(make_hosts: MakeHosts) -> None:
    """The host that forbids its containers to reach each other keeps them from those of other hosts too."""
    hosts = make_hosts(2)
    options = {"pynet.mode": "overlay", "pynet.network": "blue", "pynet.tunnel": "direct"}
    for host, icc in zip(hosts, ("false", "true"), strict=True):
        host.create(rq.network(BLUE, *DUAL, options={**options, "com.docker.network.bridge.enable_icc": icc}))
    one, two = run(hosts)

    assert not one.reaches("10.9.0.3")
    assert not two.reaches("10.9.0.2")


def test_policies_hold_between_hosts(make_hosts: MakeHosts) -> None:
    """A container takes connections only from whom it names, and opens them only to whom it names."""
    hosts = start(make_hosts, 2)
    one = hosts[0].run(BLUE, 2)
    hosts[0].run(BLUE, 4, egress="deny")
    other = hosts[0].run(BLUE, 5)
    hosts[1].run(BLUE, 3, **{"from": "10.9.0.2, 10.9.0.4"})
    hosts[1].run(BLUE, 6)
    assert reach(one, "10.9.0.3", "10.9.0.6")

    assert not hosts[0].containers[1].reaches("10.9.0.3")
    assert not other.reaches("10.9.0.3")
    assert other.reaches("10.9.0.6")


def test_a_container_that_moves_is_found_by_its_old_neighbours(make_hosts: MakeHosts) -> None:
    """At once, although they remember its MAC, and back again."""
    hosts = start(make_hosts, 2)
    one = run(hosts)[0]
    for source, target in (hosts, hosts[::-1]):
        moving = source.run(BLUE, 9, endpoint="95" * 32)
        assert reach(moving, "10.9.0.2", "fd00:9::2")
        assert reach(one, "10.9.0.9", "fd00:9::9")
        source.do(lambda source=source: source.pynet.driver.delete_endpoint(EndpointRef(BLUE, "95" * 32)))  # type: ignore[misc]
        target.run(BLUE, 9, endpoint="96" * 32)
        assert reach(one, "10.9.0.9", "fd00:9::9")
        target.do(lambda target=target: target.pynet.driver.delete_endpoint(EndpointRef(BLUE, "96" * 32)))  # type: ignore[misc]


def test_a_removed_network_leaves_no_route(make_hosts: MakeHosts) -> None:
    """Not even where its containers are still there on the other host."""
    hosts = start(make_hosts, 2)
    run(hosts)
    hosts[0].stop(BLUE, 2)
    hosts[0].do(hosts[0].pynet.end)

    assert hosts[0].sh(ROUTES) == ""
    assert soon(lambda: hosts[1].sh(ROUTES) == "")


def test_only_hosts_behind_a_router_get_the_tunnel(make_hosts: MakeHosts) -> None:
    """With auto, as long as the route to the host has a gateway, and directly again as soon as it has none."""
    hosts = start(make_hosts, 3, tunnel="auto")
    one, _, three = run(hosts)
    pair = hosts[:2], hosts[1::-1]
    for host, other in pair:  # the "router" is a second address of the other host
        host.sh(f"ip addr add 192.0.2.25{host.name[1]}/24 dev ul0")
        host.sh(f"ip route add {other.address}/32 via 192.0.2.25{other.name[1]} dev ul0 onlink")
    assert soon(lambda: [len(host.sh(ROUTES).splitlines()) for host in hosts] == [2, 2, 4])

    with Capture("h2") as capture:
        assert reach(one, "10.9.0.3", "fd00:9::3", "10.9.0.4")
        assert reach(three, "10.9.0.3")
        tunnelled = {frame.to for frame in capture.tunnelled()}
        assert {to for to in tunnelled if to.startswith("02:42")} == {"02:42:0a:09:00:02", "02:42:0a:09:00:03"}
    for host, other in pair:
        host.sh(f"ip route del {other.address}/32")
    assert soon(lambda: all(len(host.sh(ROUTES).splitlines()) == 4 for host in hosts))
    assert reach(one, "10.9.0.3", "fd00:9::3")


def test_hosts_that_see_each_other_differently_take_the_tunnel(make_hosts: MakeHosts) -> None:
    """With auto, both: the one that has no router in between hears from the other that it has one."""
    hosts = start(make_hosts, 2, tunnel="auto")
    one, two = run(hosts)
    hosts[0].sh("ip addr add 192.0.2.251/24 dev ul0")
    hosts[1].sh("ip route add 192.0.2.1/32 via 192.0.2.251 dev ul0 onlink")

    assert soon(lambda: not any(host.sh(ROUTES) for host in hosts))
    assert reach(one, "10.9.0.3", "fd00:9::3")
    assert reach(two, "10.9.0.2", "fd00:9::2")
    hosts[1].sh("ip route del 192.0.2.1/32")
    assert soon(lambda: all(len(host.sh(ROUTES).splitlines()) == 2 for host in hosts))
    assert reach(one, "10.9.0.3", "fd00:9::3")


@pytest.mark.parametrize("damage", ["ip route flush proto 81; ip -6 route flush proto 81", "ip link set {link} down"])
def test_routes_that_others_deleted_are_written_again(make_hosts: MakeHosts, damage: str) -> None:
    """At once, and also those that went silently with their link."""
    hosts = start(make_hosts, 2)
    run(hosts)
    before = hosts[0].sh(ROUTES)
    hosts[0].sh(damage.format(link="ul0"))
    hosts[0].sh("ip link set ul0 up")

    assert soon(lambda: hosts[0].sh("ip route show proto 81") == before.splitlines()[0] + "\n")


def test_routes_of_a_network_that_a_crash_prevented_go_at_the_start(make_hosts: MakeHosts) -> None:
    """Those of networks that are there stay, and so do those of another pynet and of a user."""
    hosts = start(make_hosts, 2)
    run(hosts)
    for command in (
        "link add other type vxlan id 72 dstport 4790; ip link set other alias other/network/b2/red/72/4790/auto",
        "route add 10.8.0.9 via 192.0.2.2 dev ul0 onlink proto 81 metric 71",
        "route add fd00:8::9 via fe80::2 dev ul0 proto 81 metric 71",
        "route add 10.7.0.9 via 192.0.2.2 dev ul0 onlink proto 81 metric 72",
        "route add 10.6.0.9 via 192.0.2.2 dev ul0 onlink proto static metric 71",
    ):
        hosts[0].sh(f"ip {command}")
    before = hosts[0].sh(ROUTES + "; ip route show metric 71").splitlines()
    hosts[0].crash()
    hosts[0].restart()

    left = hosts[0].sh(ROUTES + "; ip route show metric 71").splitlines()
    assert sorted(set(before) - set(left)) == [
        line for line in sorted(set(before)) if "8.0.9" in line or "8::9" in line
    ]


def test_a_published_port_judges_its_clients_without_masquerade(make_hosts: MakeHosts) -> None:
    """A container of another host keeps its address on the way, and the port judges that before it serves."""
    hosts = make_hosts(2)
    options = {"pynet.mode": "overlay", "pynet.network": "blue", "pynet.tunnel": "direct"}
    for host in hosts:
        host.create(rq.network(BLUE, "10.9.0.1/24", options={**options, MASQUERADE: "false"}))
    one = hosts[0].run(BLUE, 2)
    for number, client in ((3, "10.9.0.2"), (4, "192.0.2.1")):
        hosts[1].run(BLUE, number, publish_from=client).echo()
        hosts[1].publish(BLUE, number, f"808{number}")
    assert reach(one, "10.9.0.3", "10.9.0.4")

    assert [one.asks(f"10.9.0.{number}", 7777) for number in (3, 4)] == ["10.9.0.2"] * 2
    assert [one.asks("192.0.2.2", 8080 + number) for number in (3, 4)] == ["10.9.0.1", ""]


def test_a_restart_without_the_store_leaves_traffic_alone(make_hosts: MakeHosts) -> None:
    """Routes and rules stay as they are until the store is back."""
    hosts = start(make_hosts, 2)
    one, two = run(hosts)
    assert reach(two, "fd00:9::2")
    hosts[0].cable.cut = True
    hosts[0].crash()
    hosts[0].restart()

    assert one.reaches("10.9.0.3")
    assert two.reaches("fd00:9::2")
    hosts[0].cable.cut = False
