"""Background work: deletions after the reply, recovery at start, and watching other programs."""

import threading
from typing import Any

import pytest

from netlink.errors import KernelError
from netlink.links import Link
from netlink.monitor import LINKS, OWN
from plugin.host.own_links import OwnLinks
from plugin.host.reaper import Reaper
from plugin.model.link_owner import Owner
from plugin.model.records import Network, Tombstone
from plugin.reconcile.watcher import Watcher
from plugin.store.base import Put
from tests.fakes import World
from tests.unit import requests as rq


def restarted(old: World) -> World:
    """Return a world with the store and the kernel of ``old``, as after kill -9 of pynet, recovered."""
    world = World(old.kernel, old.nft, old.failing_store)
    world.reconciler.recover()
    return world


def test_a_deletion_happens_after_the_reply(world: World) -> None:
    """The reply comes with the link still there; the reaper's thread then takes it and the tombstone."""
    world.driver.create_network(rq.network())
    world.driver.delete_network(rq.NETWORK)
    assert world.kernel.link_exists("pn-a1a1a1a1a1a1")
    world.reaper.start()
    world.reaper.stop()

    assert not world.kernel.link_exists("pn-a1a1a1a1a1a1")
    assert world.store.list(Tombstone) == []


def test_a_crash_before_the_deletion_leaks_nothing(world: World) -> None:
    """The tombstone is in the store, and the next start finds it."""
    world.driver.create_network(rq.network())
    world.driver.delete_network(rq.NETWORK)
    again = restarted(world)
    again.reaper.start()
    again.reaper.stop()

    assert again.kernel.links() == []


def test_many_deletions_are_done_in_parts(world: World) -> None:
    """A failure costs no more than a part, and no transaction grows without bound."""
    for number in range(80):
        world.kernel.add_bridge(f"pn-{number}", "", 1500)
    doomed = [Tombstone(link.name) for link in world.kernel.links()]
    world.store.transact(*map(Put, doomed))
    world.reaper.bury(doomed)
    parts = []
    while world.kernel.links():
        before = len(world.kernel.links())
        world.reaper._delete(world.reaper._next_batch()[0])
        parts.append(before - len(world.kernel.links()))

    assert parts == [32, 32, 16]


def test_deletions_do_not_wait_for_a_pause_for_ever(world: World) -> None:
    """Links that come faster than the pause are deleted all the same."""
    reaper = Reaper(OwnLinks(world.kernel, Owner("pynet")), world.firewall, world.store, world.locks, longest=0.0)
    reaper.bury([Tombstone("pn-1"), Tombstone("pn-2")])

    assert [reaper._next_batch()[0] for _ in range(2)] == [{"pn-1"}, {"pn-2"}]


def test_a_name_that_is_wanted_again_is_free(world: World) -> None:
    """A pending deletion does not hit a new network of the same name, as swarm reuses the id at once."""
    world.driver.create_network(rq.network())
    world.driver.delete_network(rq.NETWORK)
    world.driver.create_network(rq.network())
    world.reaper.start()
    world.reaper.stop()

    assert world.kernel.link_exists("pn-a1a1a1a1a1a1")


def test_a_deletion_that_fails_is_kept(world: World) -> None:
    """The tombstone stays until the kernel has done it."""
    world.driver.create_network(rq.network())
    world.driver.delete_network(rq.NETWORK)
    world.failing_at(1)
    with pytest.raises(Exception, match="simulated"):
        world.bury()
    assert len(world.store.list(Tombstone)) == 1
    world.healed()
    world.bury()

    assert world.kernel.links() == []


def test_recovery_writes_the_rules_again(world: World) -> None:
    """After a reboot the table is gone, and so are the bridges: both come back from the store."""
    world.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    wanted = world.snapshot()
    world.kernel.by_name.clear()
    world.kernel.assigned.clear()
    world.nft.table, world.nft.elements = False, set()

    assert restarted(world).snapshot() == wanted


def test_recovery_removes_orphans_and_nothing_else(world: World) -> None:
    """Recovery removes links with pynet's alias that no record names, and no other links."""
    world.kernel.by_name = {
        "pn-dead": Link(1, "pn-dead", "bridge", alias="pynet/network/dead"),
        "pn-other": Link(2, "pn-other", "bridge", alias="second/network/beef"),
        "br-lan": Link(3, "br-lan", "bridge"),
    }
    again = restarted(world)
    again.reaper.start()
    again.reaper.stop()

    assert sorted(again.kernel.by_name) == ["br-lan", "pn-other"]


def test_a_network_that_cannot_be_made_again_stays_known(world: World) -> None:
    """It must be removable; pynet starts all the same."""
    world.driver.create_network(rq.network())
    world.kernel.by_name.clear()
    world.failing_at(2)

    assert restarted(world).store.get(Network, rq.NETWORK_ID) is not None


@pytest.mark.parametrize("failing", [{1}, {1, 2}, {1, 2, 3}])
def test_a_recovery_that_cannot_look_is_finished_later(world: World, failing: set[int]) -> None:
    """Pynet starts although links cannot be listed for a moment; the next survey makes what is missing."""
    world.driver.create_network(rq.network())
    wanted, listings, links = world.snapshot(), iter(range(1, 100)), world.kernel.links
    world.kernel.by_name.clear()
    world.kernel.assigned.clear()
    world.nft.table, world.nft.elements = False, set()

    def refuse(**condition: Any) -> list[Link]:
        if next(listings) in failing:
            raise KernelError("list links: cannot allocate memory")
        return links(**condition)

    world.kernel.links = refuse  # type: ignore[method-assign]
    again = restarted(world)
    again.reconciler.reconcile()

    assert again.snapshot() == wanted


class Silence:
    """A bell that never rings."""

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait for ever."""
        threading.Event().wait()
        return frozenset()


def test_the_watcher_learns_dockers_bridges(world: World) -> None:
    """Containers of pynet cannot reach a bridge network that Docker made later."""
    world.driver.create_network(rq.network())
    world.kernel.by_name["br-0123456789ab"] = Link(9, "br-0123456789ab", "bridge")
    Watcher(world.reconciler, Silence()).look(frozenset({LINKS}))

    assert ("docker_bridges", '"br-0123456789ab"') in world.nft.elements


def test_the_watcher_survives_a_failure(world: World) -> None:
    """A failed survey is a log line, not the end of watching."""
    world.driver.create_network(rq.network())
    world.kernel.by_name["docker0"] = Link(9, "docker0", "bridge")
    watcher = Watcher(world.reconciler, Silence())
    world.failing_at(1)
    watcher.look(frozenset({LINKS}))
    world.healed()
    watcher.look(frozenset({LINKS}))

    assert ("docker_bridges", '"docker0"') in world.nft.elements


def test_what_was_missed_is_found_by_the_look_at_everything(world: World) -> None:
    """The periodic survey finds a new Docker bridge if the check after the notification failed."""
    world.driver.create_network(rq.network())
    world.kernel.by_name["docker0"] = Link(9, "docker0", "bridge")
    Watcher(world.reconciler, Silence()).look(frozenset({OWN}))

    assert ("docker_bridges", '"docker0"') in world.nft.elements


def test_the_tables_go_with_the_last_network_after_a_restart_too(world: World) -> None:
    """Recovery leaves no owner behind that nobody forgets."""
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    again = restarted(world)
    again.driver.delete_endpoint(rq.ENDPOINT)
    again.driver.delete_network(rq.NETWORK)
    again.bury()

    assert not again.nft.table
