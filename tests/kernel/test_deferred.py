"""Deletions that happen after the reply, on a real kernel: nothing leaks, and no name is used too early."""

import socket

import pytest

from plugin.host.own_links import OwnLinks
from plugin.host.reaper import Reaper
from plugin.model.link_owner import Owner
from plugin.model.records import Tombstone
from tests.kernel.container import Container
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
BRIDGE = "pn-a1a1a1a1a1a1"


def reap(reaper: Reaper) -> None:
    """Do in this thread what the reaper's does with what is queued; netlink handles belong to threads."""
    reaper._queue.put(None)
    reaper._reap(reaper._next_batch()[0])


def test_a_crash_before_the_deletion_leaks_nothing(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """Links of an endpoint and a network whose reply was sent are deleted by the next run, and the tombstones go."""
    pynet.driver.create_network(rq.network())
    pynet.driver.delete_endpoint(pynet.attach(two[0], rq.NETWORK_ID, 2))
    pynet.driver.delete_network(rq.NETWORK)
    assert {item.record.link for item in pynet.store.list(Tombstone)} == {"pnh020202020202", BRIDGE}
    next_run = Reaper(OwnLinks(pynet.kernel, Owner("pynet")), pynet.firewall, pynet.store, pynet.locks)
    next_run.bury([item.record for item in pynet.store.list(Tombstone)])
    reap(next_run)

    assert [link.name for link in pynet.kernel.links()] == ["lo"]
    assert pynet.store.list(Tombstone) == []


def test_a_name_that_is_wanted_again_is_deleted_first(pynet: Pynet) -> None:
    """A name that is needed again is deleted first, so that the new network has a link of its own."""
    pynet.driver.create_network(rq.network())
    old = socket.if_nametoindex(BRIDGE)
    pynet.driver.delete_network(rq.NETWORK)
    assert socket.if_nametoindex(BRIDGE) == old
    pynet.driver.create_network(rq.network())

    assert socket.if_nametoindex(BRIDGE) != old
    assert pynet.store.list(Tombstone) == []


def test_a_late_deletion_spares_the_new_owner_of_the_name(pynet: Pynet, two: tuple[Container, Container]) -> None:
    """A late deletion spares a new network of the same name."""
    pynet.driver.create_network(rq.network())
    pynet.driver.delete_network(rq.NETWORK)
    pynet.driver.create_network(rq.network())
    new = socket.if_nametoindex(BRIDGE)
    pynet.attach(two[0], rq.NETWORK_ID, 2)
    reap(pynet.reaper)

    assert socket.if_nametoindex(BRIDGE) == new
    assert two[0].reaches("10.9.0.1")
    pynet.driver.delete_network(rq.NETWORK)
    reap(pynet.reaper)
    assert [link.name for link in pynet.kernel.links()] == ["lo"]
