"""By which way packets go to hosts of a network without a tunnel, and who is told of a change."""

import json
import threading
from collections.abc import Collection
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Address, ip_address
from typing import cast

import pytest

from netlink.direct_routes import DirectRoute, FoundRoute
from netlink.errors import KernelError
from netlink.underlay_bell import LOST, ROUTES
from netlink.vxlan import Remote
from plugin.cluster.direct.following import Following
from plugin.cluster.direct.hops import HostPlace, doubt_about_way, hop_to
from plugin.cluster.direct.next_hops import NextHops
from plugin.cluster.overlay.records import ClusterNetwork, Member
from plugin.errors import InvalidRequest
from plugin.model.names import Alias
from plugin.model.records import Network
from plugin.options.tunnel import TUNNELS
from plugin.protocol.messages import Address, CreateEndpoint, Interface
from plugin.store.rows import decode, encode
from tests.fake_routes import FakeBell, FakeRoutes
from tests.fake_sockets import Steps
from tests.fake_store import FailingStore
from tests.overlay_fakes import OverlayWorld, overlay
from tests.unit import requests as rq

NEAR = IPv6Address("fe80::2")
V4, V6 = ip_address("192.0.2.2"), ip_address("2001:db8::2")
TUNNEL = "pnva1a1a1a1a1a1"
ON_LINK, BY_ROUTER = FoundRoute("ul0", gateway=False), FoundRoute("ul0", gateway=True)


@pytest.mark.parametrize(
    ("place", "by"),
    [
        (HostPlace(V4, NEAR), {4: V4, 6: NEAR}),
        (HostPlace(V4), {4: V4}),
        (HostPlace(V4, IPv6Address("2001:db8::9")), {4: V4}),
        (HostPlace(V6), {4: V6, 6: V6}),
    ],
)
def test_the_next_hop_of_each_ip_version(place: HostPlace, by: dict[int, Address]) -> None:
    """A neighbour is the next hop; IPv6 goes by its link-local address, if it announced one that is link-local."""
    hop = hop_to(place, ON_LINK)

    assert hop
    assert (hop.link, hop.by) == ("ul0", by)
    assert hop_to(place, BY_ROUTER) is None


def test_hosts_that_only_a_tunnel_reaches_are_named() -> None:
    """With direct, a host behind a router and one without a link-local address each have a sentence; with auto none."""
    half = hop_to(HostPlace(V4), ON_LINK)

    assert "behind a router" in doubt_about_way("direct", V4, None, [4])
    assert "no link-local IPv6 address" in doubt_about_way("direct", V4, half, [4, 6])
    assert doubt_about_way("direct", V4, half, [4]) == doubt_about_way("auto", V4, None, [4, 6]) == ""


def test_each_host_is_asked_for_once_until_routes_change() -> None:
    """Many networks share an answer, and a change that concerns no host is none."""
    routes = FakeRoutes(Steps())
    hops, places = NextHops(routes), [HostPlace(V4), HostPlace(V6)]

    assert hops.towards(places) == {**hops.towards(places[:1]), **hops.towards(places[1:])}
    assert routes.asked == 2
    assert not hops.refresh()
    routes.known[V4] = BY_ROUTER
    assert hops.refresh()
    assert [hops.towards(places)[address] is None for address in (V4, V6)] == [True, False]
    assert routes.asked == 6
    routes.known[V4] = None
    assert hops.refresh()
    assert hops.towards(places).keys() == {V6}


def test_an_answer_that_fails_is_asked_again() -> None:
    """Who needs the way gets the error; a refresh that fails counts as a change."""
    routes = FakeRoutes(Steps())
    hops = NextHops(routes)
    hops.towards([HostPlace(V4)])
    routes.fails = True

    assert hops.refresh()
    with pytest.raises(KernelError):
        hops.towards([HostPlace(V4)])
    routes.fails = False
    assert hops.towards([HostPlace(V4)]).keys() == {V4}


def test_a_thread_listens_while_a_network_is_routed() -> None:
    """One, whoever starts it again; it tells of routes and of lost ones, and ends with the last network."""
    told, begun, ended, links = list[bool](), threading.Event(), threading.Event(), iter([{"ul0"}] * 3)
    heard = iter([frozenset(), frozenset({ROUTES}), frozenset({ROUTES, LOST})])

    class Bell(FakeBell):
        def wait(self, seconds: float, links: Collection[str]) -> frozenset[str]:
            assert begun.wait(10)
            return next(heard)

        def close(self) -> None:
            ended.set()

    class Routes(FakeRoutes):
        def listen(self) -> FakeBell:
            return Bell()

    following = Following(Routes(Steps()), lambda: next(links, None), told.append)
    following.start()
    following.start()
    begun.set()

    assert ended.wait(10)
    assert told == [False, True]


def test_an_earlier_pynet_refuses_a_network_that_it_would_join_with_a_tunnel() -> None:
    """It does not know the last fields, and finds a flaw in the others; a network with a tunnel it takes as ever."""
    tunnelled = ClusterNetwork("blue", 7, 4789, 1500)
    routed = replace(tunnelled, port=0, tunnel="direct", routed_port=8472)
    earlier = {key: value for key, value in json.loads(encode(routed)).items() if key not in {"tunnel", "routed_port"}}

    assert decode(ClusterNetwork, json.dumps(earlier)).flaw == "'port' is 0, with tunnel vxlan"
    assert decode(ClusterNetwork, encode(routed)) == routed
    assert (routed.flaw, routed.udp_port, tunnelled.flaw, tunnelled.udp_port) == ("", 8472, "", 4789)
    assert "which this pynet does not know" in replace(routed, tunnel="geneve").flaw
    assert "'port' is 4789, with tunnel auto" in replace(tunnelled, tunnel="auto").flaw


def test_ipv6_needs_a_link_local_address_on_the_way() -> None:
    """Without one, direct is refused with the setting to change; auto, and IPv4 alone, are not."""
    world = OverlayWorld()
    dual = ("10.9.0.1/24", "fd00:9::1/64")
    with pytest.raises(InvalidRequest, match=r"link-local IPv6 address of the link that has 192.0.2.1.*disable_ipv6"):
        world.driver.create_network(overlay(rq.NETWORK_ID, *dual, tunnel="direct"))
    world.driver.create_network(overlay(rq.NETWORK_ID, *dual, tunnel="auto"))
    world.driver.create_network(overlay(rq.OTHER_ID, "10.8.0.1/24", network="green", tunnel="direct"))

    assert [item.record.tunnel for item in world.real.list(ClusterNetwork)] == ["auto", "direct"]


def test_the_alias_of_a_tunnel_tells_how_packets_go() -> None:
    """So a network can be made again without its record; an alias that a user gave tells nothing."""
    aliases = [f"pynet/network/{rq.NETWORK_ID}/blue/70/4789{end}" for end in ("", "/direct", "/auto")]
    found = [Alias.read(alias).overlay(1500) for alias in aliases]

    assert [overlay and (overlay.vni, overlay.tunnel) for overlay in found] == [(70, each) for each in TUNNELS]
    assert Alias.read("my/network/of/many/long/words").overlay(1500) is None


def test_routes_of_no_network_are_found_at_the_start() -> None:
    """Those whose metric is the VNI of a tunnel stay; a dry run names none, as a request may just write them."""
    world = OverlayWorld()
    world.driver.create_network(overlay(vni="70", tunnel="direct"))
    route = DirectRoute(ip_address("10.9.0.9"), V4, "ul0")
    world.routes.by_metric |= {70: {route}, 71: {route}}
    dry = world.dry_run.look()
    world.reconciler.recover()

    assert [each.kind for each in dry if each.kind == "DirectRoutesLeft"] == []
    assert world.routes.routes().keys() == {70}


def two_hosts(tunnel: str) -> tuple[OverlayWorld, OverlayWorld]:
    """Return hosts with a container each of a network; the second reaches the first by a router."""
    one = OverlayWorld()
    two = OverlayWorld(2, one.real)
    two.routes.known[ip_address("192.0.2.1")] = BY_ROUTER
    for number, (world, network) in enumerate(((one, rq.NETWORK_ID), (two, rq.OTHER_ID)), 2):
        world.driver.create_network(overlay(network, vni="70", tunnel=tunnel))
        world.driver.create_endpoint(
            CreateEndpoint(network, f"e{number}" * 32, Interface(address=IPv4Interface(f"10.9.0.{number}/24")))
        )
    for world in (two, one):
        world.hear()
    return one, two


def test_with_auto_both_take_the_tunnel_if_one_does() -> None:
    """A host says whom it reaches by a router, and is sent nothing without a tunnel until it says something else."""
    one, two = two_hosts("auto")
    assert {item.record.host: item.record.behind for item in one.real.list(Member)} == {"h1": (), "h2": ("h1",)}
    assert one.routes.routes() == two.routes.routes() == {}
    assert {entry.host for entry in one.tunnels.tables[TUNNEL] if isinstance(entry, Remote)} == {
        ip_address("192.0.2.2")
    }

    two.routes.known.clear()
    two.peers.underlay_changed(lost=False)
    for world in (two, two, one):
        world.hear()

    assert [item.record.behind for item in one.real.list(Member)] == [(), ()]
    assert one.routes.routes() == {70: {DirectRoute(ip_address("10.9.0.3"), V4, "ul0")}}


def test_with_direct_both_hosts_say_why_nothing_goes() -> None:
    """The one that sees the other on its segment names the other's router, and sends nothing that would be dropped."""
    one, two = two_hosts("direct")

    assert one.routes.routes() == two.routes.routes() == {}
    assert "reaches this one by a router" in one.peers.left_out()[0].why
    assert "192.0.2.1 is behind a router" in two.peers.left_out()[0].why


def test_a_host_tells_of_few_routers_and_keeps_its_word_after_a_restart() -> None:
    """While the kernel has not been asked its last record counts; a record that names too many is refused."""
    one, two = two_hosts("auto")
    again = OverlayWorld(2, one.real, cast("FailingStore", two.store))
    again.resume()
    again.peers.watching.load()

    own = again.peers.own("blue")
    assert own
    assert own.behind == ("h1",)
    (member,) = (item.record for item in one.real.list(Member) if item.record.host == "h2")
    assert "behind" in replace(member, behind=("h",) * 65).flaw


def test_the_routes_of_all_networks_are_listed_once() -> None:
    """Each minute, and at a start, however many networks there are."""
    world = OverlayWorld()
    for network, subnet, name in ((rq.NETWORK_ID, "10.9.0.1/24", "blue"), (rq.OTHER_ID, "10.8.0.1/24", "green")):
        world.driver.create_network(overlay(network, subnet, network=name, tunnel="direct"))
    before = world.routes.listings
    world.peers.sync(everything=True)

    assert world.routes.listings == before + 1
    again = OverlayWorld(1, world.real, cast("FailingStore", world.store))
    for item in again.store.list(Network):
        again.modes["overlay"].desired(item.record)
    assert again.routes.listings == 1
