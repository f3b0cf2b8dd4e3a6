"""Every survey compares the firewall's memory with the records, which are the truth."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from netlink.errors import KernelError
from plugin.model.records import Endpoint, Network, Tombstone
from plugin.reconcile.rules import Rules
from plugin.request.locks import LockName
from plugin.store.base import Put, Remove
from tests.elements import written
from tests.fakes import World
from tests.overlay_fakes import OverlayWorld, overlay
from tests.unit import requests as rq
from tests.unit.test_reconcile import BRIDGE, PORT, furnish
from tests.unit.test_shares import port

PORTS = f"ports of {rq.ENDPOINT_ID}"


def rules(world: World) -> Rules:
    """Return what looks, without the rest of the reconciler."""
    return Rules(world.runtime, world.survey)


def surplus(world: World) -> None:
    """An owner without a record, as after a failed removal."""
    world.firewall.put("ports of nobody", port(9090))


def surplus_link(world: World) -> None:
    """The same, of a link that is gone."""
    world.firewall.put("pnh999999999999", written({"guarded_ports": ['"pnh999999999999"']}))


def others(world: World) -> None:
    """Other ports than the record says."""
    world.firewall.put(PORTS, port(9090))


DRIFT: dict[str, Callable[[World], object]] = {
    "surplus": surplus,
    "link": surplus_link,
    "others": others,
    "missing ports": lambda world: world.firewall.forget(PORTS),
    "missing network": lambda world: world.firewall.forget(BRIDGE, PORT),
}


@pytest.mark.parametrize("drift", DRIFT)
def test_what_is_wanted_follows_the_records(world: World, drift: str) -> None:
    """A difference is named, counted and mended, in the kernel too, and the next survey finds nothing."""
    furnish(world)
    before = world.snapshot()
    DRIFT[drift](world)
    seen = rules(world).look(world.survey.desired())
    done = world.reconciler.reconcile()

    assert [repair.sentence for repair in done] == [finding.sentence for finding in seen] != []
    assert world.snapshot() == before
    assert world.reconciler.status().repairs == {"RulesAstray": len(seen)}
    assert world.reconciler.reconcile() == []


def test_what_is_right_is_left_alone(world: World) -> None:
    """Endpoints without a guard have no elements, and links that wait for their deletion keep theirs."""
    furnish(world)
    world.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24", options={"pynet.guard": "off"}))
    world.driver.create_endpoint(replace(rq.endpoint("10.8.0.2/24"), network_id=rq.OTHER_ID, endpoint_id="f1" * 32))
    world.driver.delete_endpoint(rq.ENDPOINT)

    assert world.reconciler.reconcile() == []
    assert PORT in world.firewall.owners()


def test_a_mend_that_fails_is_named_and_tried_again(world: World) -> None:
    """A mend that fails is named with its reason by status and log, and tried again."""
    furnish(world)
    surplus(world)
    before = world.snapshot()
    world.steps.count, world.steps.broken_from = 0, 1
    found = rules(world).align(world.survey.desired())
    assert [(finding.owner, isinstance(error, KernelError)) for finding, error in found] == [("ports of nobody", True)]
    assert world.snapshot() == before
    world.steps.broken_from = 0
    world.reconciler.reconcile()

    assert "ports of nobody" not in world.firewall.owners()


def test_a_request_in_flight_is_no_drift(world: World) -> None:
    """A request in flight is no drift, although its rules come before its record: it is checked under its lock."""
    furnish(world)
    known = world.store.get(Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}")
    assert known is not None
    world.store.transact(Remove(Endpoint, known.record.key))
    suspicious = world.survey.desired()
    assert len(rules(world).look(suspicious)) == 2
    world.store.transact(Put(known.record))  # the request ends

    assert rules(world).look(suspicious) == []
    assert rules(world).align(suspicious) == []
    with world.locks.hold(LockName.network(rq.NETWORK_ID)):
        surplus(world)
        assert world.firewall.owners()["ports of nobody"].network == rq.NETWORK_ID


def test_rules_of_a_link_that_is_there_go_after_it(world: World) -> None:
    """Rules of a link without a record are removed after the link, so that its container stays guarded."""
    furnish(world)
    world.store.transact(Remove(Endpoint, f"{rq.NETWORK_ID}/{rq.ENDPOINT_ID}"))
    rules(world).align(world.survey.desired())
    assert [item.record.link for item in world.store.list(Tombstone)] == [PORT]
    assert PORT in world.firewall.owners()
    world.bury()

    assert not world.kernel.link_exists(PORT)
    assert set(world.firewall.owners()) == {BRIDGE, "host"}


def test_a_record_that_cannot_be_understood_changes_nothing(world: World) -> None:
    """A record that cannot be understood changes nothing: its rules in memory stay."""
    furnish(world)
    known = world.store.list(Network)[0].record
    world.store.transact(Put(replace(known, options={"pynet.nonsense": "1"})))
    before = world.firewall.owners()

    assert rules(world).align(world.survey.desired()) == []
    assert world.firewall.owners() == before


def test_tunnels_are_looked_after_by_others() -> None:
    """A known network's tunnel rules follow the cluster store; without the network they are surplus."""
    world = OverlayWorld()
    world.driver.create_network(overlay())
    world.hear()
    assert rules(world).look(world.survey.desired()) == []
    world.driver.delete_network(rq.NETWORK)
    world.bury()
    world.firewall.put(tunnel := "pnva1a1a1a1a1a1", written({"vxlan_members4": ["192.0.2.2 . 4789 . 1"]}))

    assert [finding.owner for finding in rules(world).look(world.survey.desired())] == [tunnel]
