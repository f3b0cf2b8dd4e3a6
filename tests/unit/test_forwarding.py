"""Forwarding on a fake host: who turned it on, when pynet closes the host, and when it turns it off again."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from netlink.errors import KernelError
from netlink.links import Link
from netlink.nft_elements import Element
from plugin.errors import PynetError
from plugin.host.forwarding import OURS
from plugin.model.records import ChangedSetting, Network
from plugin.store.base import Put, Remove
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_background import restarted

PATHS = {"ipv4": "net/ipv4/ip_forward", "ipv6": "net/ipv6/conf/all/forwarding"}
both = pytest.mark.parametrize("family", PATHS)


def furnish(world: World) -> None:
    """A network of both families."""
    world.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))


def closed(world: World) -> set[str]:
    """The families that are closed to others."""
    return {value for name, value in world.nft.elements if name == "pynet_forwarding"}


def records(world: World) -> set[str]:
    """The settings that pynet turned on, as its records say."""
    return {item.record.path for item in world.store.list(ChangedSetting)}


def test_what_pynet_turns_on_it_closes_and_puts_back() -> None:
    """While a network needs it the host forwards, closed to others; afterwards forwarding is off again."""
    world = World()
    before = world.snapshot()
    furnish(world)
    assert {world.kernel.read_setting(path) for path in PATHS.values()} == {OURS}
    assert closed(world) == set(PATHS)
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert world.snapshot() == before


@both
@pytest.mark.parametrize("value", ["1", "3"])
def test_what_others_turned_on_is_left_alone(world: World, family: str, value: str) -> None:
    """A family that others turned on is not closed, and pynet does not turn it off."""
    world.kernel.settings[PATHS[family]] = value
    furnish(world)
    assert closed(world) == set(PATHS) - {family}
    world.driver.delete_network(rq.NETWORK)

    assert world.kernel.read_setting(PATHS[family]) == value


@both
@pytest.mark.parametrize("late", [False, True], ids=["while it serves", "while it is dead"])
def test_what_others_turn_on_later_opens(world: World, family: str, late: bool) -> None:
    """An administrator, or dockerd, writes 1 over pynet's 2: it is theirs then, and stays on."""
    furnish(world)
    world.kernel.settings[PATHS[family]] = "1"
    if late:
        world = restarted(world)
    else:
        world.reconciler.look_at_host(bridges=False)
    assert closed(world) == set(PATHS) - {family}
    world.driver.delete_network(rq.NETWORK)

    assert world.kernel.read_setting(PATHS[family]) == "1"
    assert records(world) == set()


@both
def test_after_a_reboot_it_is_closed_before_it_is_turned_on(world: World, family: str) -> None:
    """After a reboot the rules that close the host are written before forwarding is turned on."""
    furnish(world)
    world.kernel.settings = dict.fromkeys(PATHS.values(), "0")
    world.nft.apply("table inet pynet")
    seen = []
    write = world.kernel.write_setting

    def watch(path: str, value: str) -> None:
        if path in PATHS.values():
            seen.append(family in closed(world))
        write(path, value)

    world.kernel.write_setting = watch  # type: ignore[method-assign]
    restarted(world)
    assert seen == [True, True]


@both
def test_a_lost_state_is_recalled_by_the_value(world: World, family: str) -> None:
    """After a loss of the state, the value 2 tells that pynet turned forwarding on."""
    furnish(world)
    world.store.transact(Remove(ChangedSetting, PATHS[family]))
    again = restarted(world)
    assert closed(again) == set(PATHS)
    again.driver.delete_network(rq.NETWORK)

    assert again.kernel.read_setting(PATHS[family]) == "0"


@both
def test_forwarding_of_another_pynet_is_closed_here_too(world: World, family: str) -> None:
    """The host is closed here too if another pynet turned forwarding on, as that one may end first."""
    world.kernel.settings[PATHS[family]] = OURS
    furnish(world)
    assert closed(world) == set(PATHS)


def test_a_start_without_networks_leaves_another_pynets_forwarding_on(world: World) -> None:
    """A start without networks leaves forwarding of another pynet on."""
    world.kernel.settings |= dict.fromkeys(PATHS.values(), OURS)
    again = restarted(world)
    assert {again.kernel.read_setting(path) for path in PATHS.values()} == {OURS}


@pytest.mark.parametrize("step", range(1, 16))
def test_closed_whenever_it_is_on(world: World, step: int) -> None:
    """Whatever step of a creation or a removal fails, no family that pynet turned on is open to others."""
    calls: list[Callable[[], object]] = [
        lambda: world.driver.create_network(rq.network()),
        lambda: world.driver.delete_network(rq.NETWORK),
    ]
    for call in calls:
        world.failing_at(step)
        with suppress(PynetError, KernelError):
            call()
        on = {family for family, path in PATHS.items() if world.kernel.read_setting(path) == OURS}
        assert on <= closed(world)
        world.healed()
        with suppress(PynetError):
            calls[0]()


@both
def test_dockerd_that_turns_it_on_in_the_same_moment_is_not_overwritten(world: World, family: str) -> None:
    """If dockerd writes 1 while pynet closes the host, pynet does not overwrite it."""
    change = world.nft.change

    def slow(table: str, delete: Sequence[Element], add: Sequence[Element]) -> None:
        before = closed(world)
        change(table, delete, add)
        if family in closed(world) - before:
            world.kernel.settings[PATHS[family]] = "1"

    world.nft.change = slow  # type: ignore[method-assign]
    furnish(world)
    world.reconciler.look_at_host(bridges=False)
    assert world.kernel.read_setting(PATHS[family]) == "1"
    assert family not in closed(world)


def test_a_state_that_cannot_be_written_keeps_nobody_from_serving(world: World) -> None:
    """If the disk is full and others turned forwarding on, the start goes on, and the next check opens the host."""
    furnish(world)
    world.kernel.settings |= dict.fromkeys(PATHS.values(), "1")
    world.failing_at(1)
    again = restarted(world)
    world.healed()
    again.reconciler.look_at_host(bridges=False)
    assert closed(again) == set()


@both
def test_a_network_that_leaves_forwarding_alone(world: World, family: str) -> None:
    """A network with ``forwarding=off`` turns nothing on; another network turns it on and off for itself."""
    before = dict(world.kernel.settings)
    world.driver.create_network(
        rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64", options={"pynet.forwarding": "off"})
    )
    assert {path: world.kernel.read_setting(path) for path in before} == before
    assert (closed(world), records(world), world.reconciler.reconcile()) == (set(), set(), [])
    world.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24", "fd00:8::1/64"))
    assert world.kernel.read_setting(PATHS[family]) == OURS
    world.driver.delete_network(replace(rq.NETWORK, network_id=rq.OTHER_ID))
    world.bury()
    assert world.kernel.read_setting(PATHS[family]) == "0"


def test_a_network_of_a_newer_version_keeps_the_settings_of_its_bridge(world: World) -> None:
    """An option of its record cannot be read; it is internal and needs no forwarding, but IPv6 on a user's bridge."""
    path = "net/ipv6/conf/br-mine/disable_ipv6"
    world.kernel._add("br-mine", kind="bridge", mac="02:00:00:00:00:07", up=True, group=0)
    world.kernel.settings[path] = "1"
    options = {"com.docker.network.bridge.name": "br-mine"}
    world.driver.create_network(rq.network(rq.NETWORK_ID, "fd00:9::1/64", internal=True, options=options))
    known = world.store.list(Network)[0].record
    world.store.transact(Put(replace(known, options={**options, "pynet.nonsense": "1"})))
    again = restarted(world)

    assert (records(again), again.kernel.settings[path]) == ({path}, "0")


def meanwhile(world: World, call: Callable[[], object]) -> None:
    """Have ``call`` made once, in the middle of the next listing of bridges."""
    listing = world.kernel.links

    def listed(**condition: Any) -> list[Link]:
        found, world.kernel.links = listing(**condition), listing  # type: ignore[method-assign]
        call()
        return found

    world.kernel.links = listed  # type: ignore[method-assign]


def test_requests_do_not_wait_while_bridges_are_listed(world: World) -> None:
    """A network is made and removed in the middle of a listing of bridges: nobody holds the lock that it needs."""
    furnish(world)
    made: list[Network] = []

    def come_and_go() -> None:
        world.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))
        made.extend(item.record for item in world.store.list(Network))
        world.driver.delete_network(replace(rq.NETWORK, network_id=rq.OTHER_ID))

    meanwhile(world, come_and_go)
    world.reconciler.look_at_host(bridges=True)
    assert len(made) == 2


def test_an_older_listing_of_bridges_does_not_replace_a_newer_one(world: World) -> None:
    """A bridge that appears during one listing, and that another listing has seen meanwhile, stays known."""
    furnish(world)

    def appear() -> None:
        world.kernel._add("virbr0", kind="bridge", up=True, group=0)
        world.reconciler.look_at_host(bridges=True)

    meanwhile(world, appear)
    world.reconciler.look_at_host(bridges=True)

    assert ("other_bridges", '"virbr0" . "virbr0"') in world.nft.elements


def test_forwarding_that_others_turned_off_is_turned_on_without_a_listing(world: World) -> None:
    """No listing of links or bridges comes before it, and bridges of others stay open."""
    world.kernel._add("virbr0", kind="bridge", up=True, group=0)
    furnish(world)
    world.kernel.settings |= dict.fromkeys(PATHS.values(), "0")
    seen: list[str] = []
    meanwhile(world, lambda: seen.extend(world.kernel.read_setting(path) for path in PATHS.values()))
    world.reconciler.look_at_host(bridges=True)

    assert seen == [OURS, OURS]
    assert ("other_bridges", '"virbr0" . "virbr0"') in world.nft.elements
