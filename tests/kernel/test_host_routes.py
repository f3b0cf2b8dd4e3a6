"""Routes of the host to single addresses by a link without an address, on a real kernel."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface

import pytest

from netlink.errors import Exists, Missing
from netlink.host_routes import HostRoute
from netlink.kernel import Kernel
from tests.kernel.container import sh

MAC = "02:00:00:00:00:c0"
FOUR, SIX = ("192.168.50.50", "192.168.50.1"), ("fd50::50", "fd50::1")  # an address and the host's, in its subnet


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """Return the verbs on a host with the link eth0 on a LAN, and a child of it, pns0."""
    sh("ip link add eth0 type veth peer name lan0; ip link set lan0 up; ip link set eth0 up")
    sh("ip addr add 192.168.50.1/24 dev eth0; ip addr add fd50::1/64 dev eth0 nodad")
    sh("ip link add pns0 link eth0 type macvlan mode bridge; ip link set pns0 up")
    kernel = Kernel()
    yield kernel
    kernel.close()


def route(to: str, source: str, mac: str = MAC) -> HostRoute:
    """Return a route from texts."""
    return HostRoute(ip_address(to), ip_address(source), mac)


@pytest.mark.parametrize("way", [FOUR, SIX], ids=["IPv4", "IPv6"])
def test_a_route_is_read_back_as_it_was_set(kernel: Kernel, way: tuple[str, str]) -> None:
    """Route, source, MAC and answers are made together, twice without harm, and deleted together."""
    for _ in range(2):
        kernel.set_host_route("pns0", route(*way))
    found = kernel.host_routes("pns0")
    told = sh(f"ip route get {way[0]}")
    for _ in range(2):
        kernel.delete_host_route("pns0", ip_address(way[0]))
    kernel.end_answers("pns0")

    assert found == [route(*way)]
    assert {"pns0", way[1]} <= set(told.split())
    assert kernel.host_routes("pns0") == []
    assert sh("ip neigh show dev pns0; ip neigh show proxy") == ""


@pytest.mark.parametrize(
    ("harm", "left"),
    [
        ("ip neigh del 192.168.50.50 dev pns0", HostRoute(ip_address(FOUR[0]), ip_address(FOUR[1]), "")),
        ("ip route del 192.168.50.50", HostRoute(ip_address(FOUR[0]), None, MAC)),
        ("ip addr del 192.168.50.1/24 dev eth0", HostRoute(ip_address(FOUR[0]), None, MAC)),
        ("ip route del fd50::50", HostRoute(ip_address(SIX[0]), None, MAC)),
        ("ip neigh del proxy fd50::1 dev pns0", HostRoute(ip_address(SIX[0]), None, MAC)),
        ("ip -6 addr del fd50::1/64 dev eth0", HostRoute(ip_address(SIX[0]), None, MAC)),
    ],
)
def test_a_part_that_is_gone_is_seen(kernel: Kernel, harm: str, left: HostRoute) -> None:
    """Whatever others take away, the listing differs, and setting the route again brings it back."""
    wanted = [route(*FOUR), route(*SIX)]
    for each in wanted:
        kernel.set_host_route("pns0", each)
    sh(harm)
    harmed = kernel.host_routes("pns0")
    sh("ip addr replace 192.168.50.1/24 dev eth0; ip addr replace fd50::1/64 dev eth0 nodad")
    for each in wanted:
        kernel.set_host_route("pns0", each)

    assert harmed == [left if each.to == left.to else each for each in wanted]
    assert kernel.host_routes("pns0") == wanted


def test_a_route_of_somebody_else_is_left_alone(kernel: Kernel) -> None:
    """A route that a user made for the same address is a conflict, is not listed, and stays."""
    sh("ip route add 192.168.50.50/32 dev eth0; ip route add 192.168.50.51/32 dev pns0")
    with pytest.raises(Exists, match=r"add route to 192\.168\.50\.50 by 'pns0'"):
        kernel.set_host_route("pns0", route(*FOUR))

    assert [each.source for each in kernel.host_routes("pns0")] == [None]
    assert "192.168.50.50 dev eth0" in sh("ip route")
    kernel.delete_host_route("pns0", ip_address(FOUR[0]))
    assert "192.168.50.50 dev eth0" in sh("ip route")


def test_another_source_replaces_the_first(kernel: Kernel) -> None:
    """When the host's address changes the route follows, and the link stops answering for the old one."""
    sh("ip addr add fd50::2/64 dev eth0 nodad")
    kernel.set_host_route("pns0", route(*SIX))
    kernel.set_host_route("pns0", route(SIX[0], "fd50::2"))
    both = sh("ip neigh show proxy")
    kernel.end_answers("pns0")

    assert "fd50::1" in both
    assert kernel.host_routes("pns0") == [route(SIX[0], "fd50::2")]
    assert "fd50::1" not in sh("ip neigh show proxy")


def test_only_lasting_addresses_are_sources(kernel: Kernel) -> None:
    """Addresses that run out, are being checked or are local to the link are no source for containers."""
    sh("ip addr add fd50::3/64 dev eth0 nodad preferred_lft 0; ip addr add 169.254.7.7/16 dev eth0 scope link")
    sh("ip link add other type veth peer name far; ip link set other up; ip addr add fd51::4/64 dev other")

    assert kernel.source_addresses("eth0") == [ip_interface("192.168.50.1/24"), ip_interface("fd50::1/64")]
    assert kernel.source_addresses("other") == []
    assert kernel.source_addresses("nowhere") == []


def test_without_the_link_it_is_missing(kernel: Kernel) -> None:
    """Every verb on a link that is gone says so."""
    for verb in (kernel.host_routes, kernel.end_answers):
        with pytest.raises(Missing, match="no link 'gone'"):
            verb("gone")
    with pytest.raises(Missing, match="no link 'gone'"):
        kernel.set_host_route("gone", route(*FOUR))
