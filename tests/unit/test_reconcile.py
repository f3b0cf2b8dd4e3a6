"""Repairs on a fake host: each one, with failing steps, and beside requests in flight."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from netlink.bridge_port import port_flags
from netlink.errors import KernelError
from netlink.links import Link
from plugin.host.forwarding import OURS
from plugin.model.findings import EndpointLost
from plugin.model.records import ChangedSetting, Endpoint, Network, Tombstone
from plugin.reconcile.ledger import Ledger
from plugin.store.base import Put
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_background import restarted

BRIDGE, PORT = "pn-a1a1a1a1a1a1", "pnhe0e0e0e0e0e0"
IPV6 = f"net/ipv6/conf/{PORT}/disable_ipv6"


def furnish(world: World) -> None:
    """A network of both families with an endpoint that publishes a port."""
    world.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    world.driver.create_endpoint(rq.endpoint(address_ipv6="fd00:9::2/64"))
    world.driver.program_external_connectivity(rq.program(8080))


def delete_bridge(world: World) -> None:
    """As the kernel does: its port stays, without a bridge, and settings and addresses go."""
    gone = world.kernel.by_name.pop(BRIDGE)
    world.kernel.change(PORT, master=0)
    world.kernel.assigned = {(link, address) for link, address in world.kernel.assigned if link != gone.name}
    world.kernel.settings = {path: v for path, v in world.kernel.settings.items() if BRIDGE not in path}


def forget_addresses(world: World) -> None:
    """As "ip addr flush" does."""
    world.kernel.assigned.clear()


def flush(world: World) -> None:
    """As "nft flush ruleset" does."""
    world.nft.table, world.nft.elements = False, set()


def remove_element(world: World) -> None:
    """As "nft delete element" does."""
    world.nft.elements.remove(("bridges", f'"{BRIDGE}"'))


DRIFT: dict[str, tuple[Callable[[World], object], dict[str, int]]] = {
    "bridge deleted": (delete_bridge, {"LinkMissing": 1, "LinkDetached": 1}),
    "port detached": (lambda world: world.kernel.change(PORT, master=0), {"LinkDetached": 1}),
    "port flags": (lambda world: world.kernel.change(PORT, port=port_flags(learning=True)), {"PortChanged": 1}),
    "port's IPv6": (lambda world: world.kernel.settings.update({IPV6: "0"}), {"SettingChanged": 1}),
    "port down": (lambda world: world.kernel.change(PORT, up=False), {"LinkDown": 1}),
    "MAC": (lambda world: world.kernel.change(BRIDGE, mac="02:00:00:00:00:99"), {"LinkChanged": 1}),
    "MTU": (lambda world: world.kernel.change(PORT, mtu=1300), {"LinkChanged": 1}),
    "alias": (lambda world: world.kernel.change(PORT, alias=""), {"LinkChanged": 1}),
    "addresses": (forget_addresses, {"AddressMissing": 2}),
    "forwarding": (lambda world: world.kernel.settings.update({"net/ipv4/ip_forward": "0"}), {"HostSettingChanged": 1}),
    "flushed": (flush, {"TableChanged": 1}),
    "rule": (lambda world: setattr(world.nft, "rewritten", "drop"), {"TableChanged": 1}),
    "element": (remove_element, {"TableChanged": 1}),
    "foreign element": (lambda world: world.nft.elements.add(("internal_bridges", '"lan"')), {"TableChanged": 1}),
}


@pytest.mark.parametrize("drift", DRIFT)
def test_each_drift_is_repaired_and_counted(world: World, drift: str) -> None:
    """Each drift is repaired and counted; everything is as before, and a second survey finds nothing."""
    furnish(world)
    before = world.snapshot()
    harm, counts = DRIFT[drift]
    harm(world)
    world.reconciler.reconcile()

    assert world.snapshot() == before
    assert world.reconciler.status().repairs == counts
    assert world.reconciler.reconcile() == []


STEPS = [(drift, step) for drift in DRIFT for step in range(1, 12)]


@pytest.mark.parametrize(("drift", "step"), STEPS)
def test_a_repair_that_breaks_is_finished_by_the_next(world: World, drift: str, step: int) -> None:
    """Whatever step of a repair fails, the failure has a sentence or is raised, and the next survey repairs all."""
    furnish(world)
    before = world.snapshot()
    DRIFT[drift][0](world)
    world.failing_at(step)
    with suppress(KernelError):  # it was not possible to look
        done = world.reconciler.reconcile()
        mended = world.steps.count < step or world.snapshot() == before
        assert mended or any("simulated" in repair.error for repair in done)
    world.healed()
    world.reconciler.reconcile()

    assert world.snapshot() == before
    assert world.reconciler.status().failing == ()


@pytest.mark.parametrize("step", range(1, 16))
def test_a_recovery_that_breaks_is_finished_later(world: World, step: int) -> None:
    """Whatever step of a recovery fails, pynet starts, and a later survey repairs all."""
    furnish(world)
    reboot(world)
    world.failing_at(step)
    again = restarted(world)
    world.healed()
    again.reconciler.reconcile()

    assert again.survey.look(again.publisher.held(), idle=True)[1] == []
    assert again.kernel.link_exists(BRIDGE)


def reboot(world: World) -> None:
    """Take everything from the kernel; the store stays."""
    world.kernel.by_name.clear()
    world.kernel.assigned.clear()
    world.kernel.peers.clear()
    world.kernel.settings = dict.fromkeys(("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"), "0")
    flush(world)


def test_after_a_reboot_endpoints_are_forgotten_and_ports_are_free(world: World) -> None:
    """After a reboot old endpoints are dropped and their ports free, as the engine makes new endpoints."""
    furnish(world)
    reboot(world)
    again = restarted(world)
    again.bury()

    assert again.store.list(Endpoint) == []
    assert again.sockets.taken == set()
    again.driver.create_endpoint(replace(rq.endpoint(), endpoint_id="e1" * 32))
    again.driver.program_external_connectivity(replace(rq.program(8080), endpoint_id="e1" * 32))


def test_endpoints_that_are_forgotten_together_are_one_line_of_the_log() -> None:
    """It names them, and each counts as a repair; a single one has the usual line."""
    ledger = Ledger()
    with capture_logs() as lines:
        for ends in ("a" * 64, "b" * 64), ("c" * 64,):
            ledger.forgotten("n" * 64, [EndpointLost("n" * 64, end, "pnh") for end in ends])

    assert [line["finding"] for line in lines] == ["EndpointLost"] * 2
    assert lines[0]["endpoints"] == ["a" * 12, "b" * 12]
    assert ledger.status().repairs == {"EndpointLost": 3}


def test_a_restart_alone_finds_nothing_to_repair(world: World) -> None:
    """Kernel and store agree after kill -9; ports are held again without being called a repair."""
    furnish(world)
    again = restarted(world)

    assert again.reconciler.status().repairs == {}
    assert again.sockets.taken == world.sockets.taken


def test_an_endpoint_that_lost_its_link_is_forgotten_while_running(world: World) -> None:
    """An endpoint that lost its link is dropped while pynet runs."""
    furnish(world)
    world.kernel._drop(PORT)
    world.reconciler.reconcile()
    world.bury()

    assert world.store.list(Endpoint) == []
    assert world.sockets.taken == set()
    assert not [value for _, value in world.nft.elements if PORT in value]


def test_an_endpoint_without_a_network_is_forgotten(world: World) -> None:
    """An endpoint without a network is dropped, as nobody could remove it."""
    world.store.transact(Put(Endpoint("e0" * 32, rq.NETWORK_ID, "02:00:00:00:00:01")))

    assert restarted(world).store.list(Endpoint) == []


def test_a_port_that_another_program_had_is_held_once_it_is_free(world: World) -> None:
    """A port that another program has is warned of once, and held when it is free."""
    furnish(world)
    again = World(world.kernel, world.nft, world.failing_store)
    again.sockets.taken.add((6, "::", 8080))
    again.reconciler.recover()
    assert [repair.kind for repair in again.reconciler.status().failing] == ["PortNotHeld"]
    again.sockets.taken.clear()
    again.reconciler.reconcile()

    assert again.sockets.taken == {(6, "::", 8080)}
    assert again.reconciler.status().failing == ()


def test_a_link_of_another_kind_is_left_alone(world: World) -> None:
    """A link of another kind with a bridge's name is left alone, and the network can be removed."""
    world.driver.create_network(rq.network())
    world.kernel.by_name[BRIDGE] = Link(50, BRIDGE, "dummy", up=True)
    [repair] = world.reconciler.reconcile()

    assert "give that one another name" in repair.error
    assert world.kernel.by_name[BRIDGE].kind == "dummy"


def test_an_adopted_bridge_that_vanished_is_made_and_owned(world: World) -> None:
    """An adopted bridge that vanished is made again, and then belongs to pynet."""
    world.kernel.add_bridge("br-mine", "02:00:00:00:00:07", 1500)
    world.driver.create_network(rq.network(options={"com.docker.network.bridge.name": "br-mine"}))
    world.kernel._drop("br-mine")
    world.reconciler.reconcile()
    world.driver.delete_network(rq.NETWORK)
    world.bury()

    assert world.kernel.links() == []


def test_a_bridge_that_its_user_made_again_is_not_deleted(world: World) -> None:
    """A bridge that its user makes while pynet replaces it is not deleted."""
    world.kernel.add_bridge("br-mine", "02:00:00:00:00:07", 1500)
    world.driver.create_network(rq.network(options={"com.docker.network.bridge.name": "br-mine"}))
    world.kernel._drop("br-mine")
    usual = world.kernel.add_bridge

    def late(name: str, mac: str, mtu: int) -> None:
        world.kernel._add(name, kind="bridge", mac="02:00:00:00:00:08", up=True, group=0)
        world.kernel.add_bridge = usual  # type: ignore[method-assign]
        usual(name, mac, mtu)

    world.kernel.add_bridge = late  # type: ignore[method-assign]
    world.reconciler.reconcile()

    assert [(link.name, link.mac) for link in world.kernel.links()] == [("br-mine", "02:00:00:00:00:08")]


@pytest.mark.parametrize("options", [{}, {"pynet.publish": "nobody"}])
def test_a_network_that_is_not_understood_stays_removable(world: World, options: dict[str, str]) -> None:
    """A network of a newer pynet can be removed, and its links are no orphans."""
    world.driver.create_network(rq.network())
    known = world.store.list(Network)[0].record
    world.store.transact(Put(replace(known, options=options, mode="bridge" if options else "overlay")))
    again = restarted(world)
    assert [repair.kind for repair in again.reconciler.status().failing] == ["NetworkUnclear"]
    assert again.kernel.link_exists(BRIDGE)
    again.driver.delete_network(rq.NETWORK)
    again.bury()

    assert again.kernel.links() == []


def test_recovery_puts_back_what_a_crash_left_changed(world: World) -> None:
    """Recovery turns forwarding off if pynet was killed before it stored the network."""
    world.store.transact(Put(ChangedSetting("net/ipv4/ip_forward", "0")))
    world.kernel.settings["net/ipv4/ip_forward"] = OURS
    again = restarted(world)

    assert again.kernel.settings["net/ipv4/ip_forward"] == "0"
    assert again.store.list(ChangedSetting) == []


def test_recovery_removes_a_link_that_has_no_alias_yet(world: World) -> None:
    """Recovery removes pynet's link without an alias; the same link of another program stays."""
    world.kernel.add_bridge(BRIDGE, "02:00:00:00:00:01", 1500)
    world.kernel.by_name["pn-ffffffffffff"] = Link(60, "pn-ffffffffffff", "bridge")
    again = restarted(world)
    again.bury()

    assert list(again.kernel.by_name) == ["pn-ffffffffffff"]


def test_a_creation_in_flight_is_no_drift(world: World) -> None:
    """A creation in flight is no drift, although its bridge has no record: the check waits for the lock."""
    made, go_on = threading.Event(), threading.Event()
    set_alias = world.kernel.set_alias

    def slow(name: str, alias: str) -> None:
        set_alias(name, alias)
        made.set()
        go_on.wait(5)

    world.kernel.set_alias = slow  # type: ignore[method-assign]
    creation = threading.Thread(target=world.driver.create_network, args=[rq.network()])
    creation.start()
    made.wait(5)
    look = threading.Thread(target=world.reconciler.reconcile)
    look.start()
    go_on.set()
    creation.join(5)
    look.join(5)

    assert world.store.list(Tombstone) == []
    assert world.reconciler.status().repairs == {}


def test_a_real_orphan_is_removed_while_running(world: World) -> None:
    """A link with an alias of this pynet and without a record is removed while pynet runs."""
    world.kernel.by_name["pn-dead"] = Link(9, "pn-dead", "bridge", alias="pynet/network/dead")
    world.reconciler.reconcile()
    world.bury()

    assert world.kernel.links() == []


def test_a_tunnel_without_a_network_goes_at_once(world: World) -> None:
    """A tunnel without a network is removed at once, as its VNI may be needed again."""
    world.kernel.by_name["pnvdead"] = Link(9, "pnvdead", "vxlan", alias="pynet/network/dead/blue/70/4789")
    world.reconciler.reconcile()

    assert world.kernel.links() == []
    assert world.store.list(Tombstone) == []


def test_a_removal_in_flight_keeps_the_host_forwarding_for_a_creation(world: World) -> None:
    """Removing the last network keeps forwarding on for one that is being made."""
    world.driver.create_network(rq.network())
    with world.removal.reservations.reserve(
        replace(world.store.list(Network)[0].record, id=rq.OTHER_ID, link="x", subnets=())
    ):
        world.driver.delete_network(rq.NETWORK)
        assert world.kernel.settings["net/ipv4/ip_forward"] == "0"


def test_a_port_of_an_endpoint_without_a_link_can_be_taken(world: World) -> None:
    """A port of an endpoint without a link can be taken before a survey, as after a kill of the engine."""
    furnish(world)
    world.kernel._drop(PORT)
    world.driver.create_endpoint(replace(rq.endpoint("10.9.0.3/24"), endpoint_id="e1" * 32))
    world.driver.program_external_connectivity(replace(rq.program(8080), endpoint_id="e1" * 32))
    world.reconciler.reconcile()
    world.bury()

    assert [item.record.id for item in world.store.list(Endpoint)] == ["e1" * 32]
    assert ("published_ports_any4", "tcp . 8080 : 10.9.0.3 . 80") in world.nft.elements
    assert world.sockets.taken == {(6, "::", 8080)}
