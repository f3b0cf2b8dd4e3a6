"""Changes between a survey and a repair: a finding that is gone by then is left alone."""

import threading
from contextlib import suppress

import pytest

from netlink.errors import KernelError
from netlink.links import Link
from netlink.veth import VethPair
from plugin.model.desired import Desired
from plugin.model.findings import HostSettingChanged, OrphanLink
from plugin.model.records import Endpoint, Tombstone
from plugin.reconcile.watcher import Watcher
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_background import Silence
from tests.unit.test_reconcile import PORT, flush, furnish

FORWARDING = "net/ipv4/ip_forward"


def test_an_endpoint_that_is_being_made_is_no_orphan(world: World) -> None:
    """A link without a record yet is no orphan: the check waits for the lock of the request."""
    world.driver.create_network(rq.network())
    made, go_on, add_veth = threading.Event(), threading.Event(), world.kernel.add_veth

    def slow(pair: VethPair) -> None:
        add_veth(pair)
        made.set()
        go_on.wait(5)

    world.kernel.add_veth = slow  # type: ignore[method-assign]
    creation = threading.Thread(target=world.driver.create_endpoint, args=[rq.endpoint()])
    creation.start()
    made.wait(5)
    threading.Timer(0.1, go_on.set).start()
    world.reconciler.reconcile()
    creation.join(5)

    assert (world.store.list(Tombstone), len(world.store.list(Endpoint))) == ([], 1)
    assert world.reconciler.status().repairs == {}


def test_an_orphan_whose_name_another_link_has_by_now_stays(world: World) -> None:
    """An orphan stays if another link has its name by now."""
    world.kernel.by_name["pn-dead"] = Link(9, "pn-dead", "bridge", alias="pynet/network/dead")
    [orphan] = world.survey.look((), idle=False).found
    assert isinstance(orphan, OrphanLink)
    assert world.survey.is_orphan(orphan)
    world.kernel.by_name["pn-dead"] = Link(10, "pn-dead", "bridge", alias="mine")

    assert not world.survey.is_orphan(orphan)


def test_forwarding_that_nobody_needs_any_more_stays_off(world: World) -> None:
    """Forwarding stays off if the last network was removed after the survey."""
    world.driver.create_network(rq.network())
    world.driver.delete_network(rq.NETWORK)
    repair = world.reconciler._checks._repairs.repair

    assert not repair(HostSettingChanged("", FORWARDING, "0", "2"), Desired(""))
    assert world.kernel.settings[FORWARDING] == "0"


def test_no_link_is_set_up_while_rules_are_missing(world: World) -> None:
    """No link is set up while rules are missing, even if the survey began before."""
    furnish(world)
    world.nft.unwritable = {"chain forward"}
    links = world.kernel.links

    def flushed() -> object:
        world.kernel.links = links  # type: ignore[method-assign]
        flush(world)
        with suppress(KernelError):
            world.reconciler.heal(elements=False)
        return links()

    world.kernel.links = flushed  # type: ignore[method-assign,assignment]
    failed = world.reconciler.reconcile()

    assert [(repair.kind, "rules are missing" in repair.error) for repair in failed] == [("LinkDown", True)]
    assert not world.kernel.by_name[PORT].up


@pytest.mark.parametrize("rounds", [1, 3])
def test_ports_are_set_up_when_rules_are_back(world: World, rounds: int) -> None:
    """Ports are set up in the first round of the watcher in which rules can be written again."""
    furnish(world)
    watcher = Watcher(world.reconciler, Silence())
    world.nft.unwritable = {"chain forward"}
    flush(world)
    for _ in range(rounds):
        watcher.look(frozenset())
        assert not world.kernel.by_name[PORT].up
        assert not world.reconciler.late
    world.nft.unwritable = set()
    watcher.look(frozenset())

    assert world.kernel.by_name[PORT].up
    assert not world.reconciler.late
