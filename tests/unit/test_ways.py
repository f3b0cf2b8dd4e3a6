"""Answers from an address that is reached directly leave by the container's gateway on another network."""

from contextlib import suppress
from dataclasses import replace
from itertools import permutations

import pytest

from netlink.errors import KernelError
from plugin.errors import PynetError
from plugin.model.records import Endpoint, Way
from plugin.protocol.messages import EndpointRef, Join
from tests.elements import texts
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_background import restarted

MODE = "com.docker.network.bridge.gateway_mode_ipv4"
NETWORKS = {"way": "a1" * 32, "direct": "b2" * 32, "inner": "c3" * 32}
ENDPOINTS = {"way": "e1" * 32, "direct": "e2" * 32, "inner": "e3" * 32}
WAY = ("multihomed_addresses4", '"pnhe1e1e1e1e1e1" . 02:42:0a:01:00:02 . 10.2.0.2')


def networks(world: World, mode: str = "routed") -> World:
    """A network that can be the gateway, one that is reached directly, and an internal one."""
    for number, name in enumerate(NETWORKS, 1):
        options = {MODE: mode} if name != "way" else {}
        gateway = f"10.{number}.0.1/24"
        world.driver.create_network(rq.network(NETWORKS[name], gateway, internal=name == "inner", options=options))
    return world


def join(world: World, name: str, sandbox: str = "one") -> None:
    """Put a container on a network."""
    number = list(NETWORKS).index(name) + 1
    request = replace(rq.endpoint(f"10.{number}.0.2/24"), network_id=NETWORKS[name], endpoint_id=ENDPOINTS[name])
    world.driver.create_endpoint(request)
    world.driver.join(Join(NETWORKS[name], ENDPOINTS[name], f"/run/docker/netns/{sandbox}"))


def leave(world: World, name: str) -> None:
    """Take the container off a network."""
    for verb in (world.driver.leave, world.driver.delete_endpoint):
        verb(EndpointRef(NETWORKS[name], ENDPOINTS[name]))


def ways(world: World) -> set[tuple[str, str]]:
    """What the kernel has, which is what the records want."""
    wanted = {
        (name, value) for of in world.survey.elements().values() for name, some in texts(of).items() for value in some
    }
    assert {element for element in wanted if "multihomed" in element[0]} == {
        element for element in world.nft.elements if "multihomed" in element[0]
    }
    return {element for element in world.nft.elements if "multihomed" in element[0]}


@pytest.mark.parametrize("order", list(permutations(NETWORKS)), ids="-".join)
@pytest.mark.parametrize("mode", ["routed", "nat-unprotected"])
def test_only_a_direct_address_has_a_way_and_only_by_a_gateway(world: World, order: list[str], mode: str) -> None:
    """In every order of joining; nothing of an internal network goes out, and nothing else goes in there."""
    networks(world, mode)
    for name in order:
        join(world, name)
    assert ways(world) == {WAY}
    for name in order:
        leave(world, name)
        assert WAY not in ways(world) or name == "inner"
    world.bury()
    assert ways(world) == set()


def test_a_network_that_is_not_reached_directly_has_no_way(world: World) -> None:
    """Nobody outside speaks to its addresses, so there is nothing to answer; no join is written down."""
    networks(world, "nat")
    join(world, "way")
    before = world.steps_of(lambda _: join(world, "direct"))
    leave(world, "direct")
    world.bury()
    assert world.steps_of(lambda _: join(world, "direct", "two")) == before
    assert ways(world) == set()


def test_another_container_is_no_way(world: World) -> None:
    """Its guard stays closed to addresses that are not its own."""
    join(networks(world), "way")
    join(world, "direct", "two")
    assert ways(world) == set()


def test_ways_survive_a_restart_and_end_after_it(world: World) -> None:
    """The records say them, and which endpoints are of one container."""
    join(networks(world), "way")
    join(world, "direct")
    again = restarted(world)
    assert ways(again) == {WAY}
    leave(again, "way")
    assert ways(again) == set()


@pytest.mark.parametrize("gone", ["way", "direct"])
def test_an_endpoint_that_is_removed_without_leaving_takes_its_ways(world: World, gone: str) -> None:
    """At the latest when another one of the container joins."""
    join(networks(world), "way")
    join(world, "direct")
    world.driver.delete_endpoint(EndpointRef(NETWORKS[gone], ENDPOINTS[gone]))
    world.bury()
    join(world, "inner")
    assert ways(world) == set()


@pytest.mark.parametrize("step", range(1, 8))
def test_whatever_fails_the_guard_is_as_it_was(world: World, step: int) -> None:
    """The container's start fails with it, and the engine takes the endpoint away."""
    join(networks(world), "direct")
    before = world.snapshot()
    world.failing_at(step)
    with suppress(PynetError, KernelError):
        join(world, "way")
    world.healed()
    assert ways(world) <= {WAY}
    leave(world, "way")
    world.bury()
    records = [replace(item.record, sandbox="") for item in world.store.list(Endpoint)]
    assert (world.snapshot()[:3], [record.ways for record in records]) == (before[:3], [()])  # type: ignore[index]


def test_a_leave_succeeds_whatever_cannot_be_closed(world: World) -> None:
    """What stays belongs to a port that goes."""
    join(networks(world), "direct")
    join(world, "way")
    world.failing_at(1)
    leave(world, "way")
    world.healed()
    assert ways(world) == {WAY}
    leave(world, "direct")
    world.bury()
    assert ways(world) == set()


@pytest.mark.parametrize("way", [Way("../a/b", "02:42:0a:01:00:02"), Way("a/b", "02:42")])
def test_a_way_that_is_none_is_refused(way: Way) -> None:
    """A record may come from a file that somebody else wrote."""
    with pytest.raises(ValueError, match="is no id"):
        Endpoint("e", "n", "02:42:0a:01:00:02", ways=(way,)).check()
