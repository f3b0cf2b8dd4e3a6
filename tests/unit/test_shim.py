"""The way between the host and containers of mode macvlan, on an imaginary host."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address

import pytest

from netlink.errors import KernelError, Missing
from netlink.host_routes import HostRoute
from plugin.errors import InvalidRequest, PynetError
from plugin.model.desired import source_for
from plugin.model.names import shim_name
from plugin.model.records import Endpoint
from plugin.protocol.change_messages import SetOptions
from plugin.protocol.messages import NetworkRef
from plugin.store.base import Remove
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_cost_of_looks import Host
from tests.unit.test_macvlan import MAC, macvlan, on_lan

SHIM = shim_name("pynet", "lan0")
HOST, HOST6 = IPv4Interface("10.9.0.200/24"), IPv6Interface("fd00:9::c8/64")
ON = {"pynet.host_access": "on"}
WAY = {
    (SHIM, ip_address("10.9.0.2")): HostRoute(ip_address("10.9.0.2"), HOST.ip, MAC),
    (SHIM, ip_address("fd00:9::2")): HostRoute(ip_address("fd00:9::2"), HOST6.ip, MAC),
}
END = rq.endpoint(address_ipv6="fd00:9::2/64", mac=MAC)


def on_site() -> World:
    """Return an imaginary host with addresses on its LAN, and a network that it reaches."""
    world = on_lan()
    for address in (HOST, HOST6):
        world.kernel.add_address("lan0", address)
    world.driver.create_network(macvlan(**ON))
    return world


def test_the_way_comes_with_the_endpoint_and_goes_with_it() -> None:
    """The shim and a route a family; the record of the network names nothing of it."""
    world = on_site()
    before = world.snapshot()
    world.driver.create_endpoint(END)
    child = world.kernel.children[SHIM]

    assert (child.parent, child.kind, child.variety) == ("lan0", "macvlan", "bridge")
    assert world.kernel.routes == WAY
    assert world.reconciler.reconcile() == []
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.bury()
    assert world.snapshot() == before


def test_whatever_step_fails_nothing_is_left() -> None:
    """CreateEndpoint with a way from the host leaves the host as it was, whichever of its steps fails."""
    steps = on_site().steps_of(lambda driver: driver.create_endpoint(END))
    for step in range(1, steps + 1):
        world = on_site()
        before = world.snapshot()
        with pytest.raises((KernelError, PynetError)):
            world.failing_at(step).create_endpoint(END)
        world.healed()
        world.bury()
        assert world.snapshot() == before, step
    assert steps > 5


def test_a_removal_that_fails_is_repeated() -> None:
    """DeleteEndpoint that fails at any step removes the way when it comes again."""
    made = on_site()
    made.driver.create_endpoint(END)
    for step in range(1, made.steps_of(lambda driver: driver.delete_endpoint(rq.ENDPOINT)) + 1):
        world = on_site()
        before = world.snapshot()
        world.driver.create_endpoint(END)
        with suppress(KernelError, PynetError):
            world.failing_at(step).delete_endpoint(rq.ENDPOINT)
        world.healed().delete_endpoint(rq.ENDPOINT)
        world.bury()
        assert world.snapshot() == before, step


@pytest.mark.parametrize("mode", ["private", "vepa", "passthru"])
def test_containers_that_reach_nobody_are_out_of_reach(mode: str) -> None:
    """The option is refused where the kernel cannot carry it out, also on a running network; nothing is changed."""
    world = on_lan()
    before = world.snapshot()
    with pytest.raises(InvalidRequest, match=rf"pynet\.host_access.*{mode}"):
        world.driver.create_network(macvlan(macvlan_mode=mode, **ON))
    assert world.snapshot() == before
    world.driver.create_network(macvlan(macvlan_mode=mode))
    with pytest.raises(InvalidRequest, match=rf"pynet\.host_access.*{mode}"):
        world.live.set_options(SetOptions(rq.NETWORK_ID, "", ON))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"pynet.host_access": "yes"}, "must be on or off"),
        ({"pynet.host_access": ""}, "must be on or off"),
        ({"pynet.host_access": "on", "pynet.mode": "bridge", "parent": ""}, "is for mode macvlan"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(options: dict[str, str], sentence: str) -> None:
    """Nothing is made of a network with a bad option."""
    world = on_lan()
    before = world.snapshot()
    with pytest.raises(InvalidRequest, match=sentence):
        world.driver.create_network(macvlan(**options))
    assert world.snapshot() == before


HARM: dict[str, tuple[Callable[[World], object], str]] = {
    "no shim": (lambda w: w.kernel.delete_link(w.kernel.by_name[SHIM]), "LinkMissing"),
    "shim down": (lambda w: w.kernel.set_down(SHIM), "LinkDown"),
    "shim elsewhere": (lambda w: w.kernel.change(SHIM, below=77), "LinkMissing"),
    "no route": (lambda w: w.kernel.routes.popitem(), "RouteMissing"),
    "other MAC": (
        lambda w: w.kernel.routes.update({key: HostRoute(key[1], HOST.ip, "") for key in [*WAY][:1]}),
        "RouteMissing",
    ),
    "setting": (lambda w: w.kernel.write_setting(f"net/ipv4/conf/{SHIM}/arp_filter", "0"), "SettingChanged"),
}


@pytest.mark.parametrize("harm", HARM)
def test_drift_is_found_by_a_dry_run_and_repaired(harm: str) -> None:
    """Each difference is one finding, with a repair that makes the way as it was."""
    world = on_site()
    world.driver.create_endpoint(END)
    before = world.kernel.snapshot()
    do, kind = HARM[harm]
    do(world)

    assert [each.kind for each in world.dry_run.look()] == [kind]
    assert [each.kind for each in world.reconciler.reconcile()] == [kind]
    assert world.kernel.snapshot() == before
    assert world.reconciler.reconcile() == []


def test_the_route_follows_the_address_of_the_host() -> None:
    """Another address of the host becomes the source; without one the route goes, and comes again with the next."""
    world = on_site()
    world.driver.create_endpoint(END)
    for address in (HOST, HOST6):
        world.kernel.delete_address("lan0", address)
    gone = [each.kind for each in world.reconciler.reconcile()]
    world.kernel.add_address("lan0", IPv4Interface("10.9.0.201/24"))

    assert gone == ["RouteLeft"] * 2
    assert [each.kind for each in world.reconciler.reconcile()] == ["RouteMissing"]
    assert [str(route.source) for route in world.kernel.routes.values()] == ["10.9.0.201"]
    assert world.reconciler.reconcile() == []


def test_a_start_removes_what_nobody_wants() -> None:
    """A route to a container that is gone, and a shim without users, go at the next start and not before."""
    world = on_site()
    world.driver.create_endpoint(END)
    stray = HostRoute(ip_address("10.9.0.77"), HOST.ip, MAC)
    world.kernel.routes[SHIM, stray.to] = stray
    world.reconciler.recover()
    found = dict(world.kernel.routes)
    world.store.transact(Remove(Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}"))
    world.reconciler.recover()

    assert found == WAY
    assert SHIM not in world.kernel.by_name


def test_without_the_option_nothing_is_asked_of_the_kernel() -> None:
    """Routes and sources are read only where some are wanted."""
    asked = Counter[str]()
    host = Host(3)
    for name in ("host_routes", "source_addresses"):
        setattr(host.kernel, name, lambda *_, name=name: asked.update([name]))
    host.look(lambda _: None)

    assert asked == {}


def test_networks_share_the_shim() -> None:
    """The first removal leaves the way of the other network; the network that goes last takes the shim along."""
    world = on_site()
    world.driver.create_endpoint(END)
    world.driver.create_network(macvlan(rq.OTHER_ID, **ON))
    world.driver.create_endpoint(replace(rq.endpoint("10.9.0.3/24"), network_id=rq.OTHER_ID, endpoint_id="9" * 64))
    world.driver.delete_endpoint(rq.ENDPOINT)

    assert [str(to) for _, to in world.kernel.routes] == ["10.9.0.3"]
    world.driver.delete_network(NetworkRef(rq.OTHER_ID))
    assert SHIM not in world.kernel.by_name


@pytest.mark.parametrize(
    ("destination", "source"),
    [("10.9.0.2", "10.9.0.1"), ("10.8.0.2", "10.8.0.1"), ("10.7.0.2", "10.8.0.1"), ("fd00::2", "None")],
)
def test_the_source_is_of_the_same_subnet_if_there_is_one(destination: str, source: str) -> None:
    """A host may have several addresses on a LAN; link-local ones are for the link alone."""
    addresses = IPv4Interface("10.8.0.1/24"), IPv4Interface("10.9.0.1/24"), IPv6Interface("fe80::1/64")

    assert str(source_for([*addresses], ip_address(destination))) == source


def test_without_the_parent_the_way_is_no_finding_of_its_own() -> None:
    """A parent that is gone is one finding, and the shim comes back with the parent."""
    world = on_site()
    world.driver.create_endpoint(END)
    world.kernel.delete_link(world.kernel.by_name["lan0"])

    assert "LinkMissing" not in {each.kind for each in world.dry_run.look()}
    with pytest.raises(Missing):
        world.kernel.host_routes(SHIM)
