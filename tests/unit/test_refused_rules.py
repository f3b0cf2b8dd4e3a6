"""Rules that cannot be written: one owner's alone, or all of them."""

from dataclasses import replace
from typing import Any

import pytest

from netlink.errors import KernelError
from netlink.links import Link
from plugin.errors import PynetError
from plugin.firewall.writing import MOST_REFUSED
from plugin.model.elements import Elements
from plugin.model.records import Endpoint, Network
from plugin.reconcile.watcher import Watcher
from plugin.store.base import Put
from tests.elements import SET, as_listed, written
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_background import Silence, restarted
from tests.unit.test_reconcile import BRIDGE, PORT, flush, furnish

OUTBOUND = f'"{BRIDGE}" . ipv4'
NO_ELEMENTS = [
    ("sources6", '"pn-a" : fe80::1%eth0'),
    ("sources6", '"pn-a" : fe80::1%x }\nadd table ip pwned'),
    ("sources4", '"pn-a" : fe80::1'),
    ("bridges", '"a\nb"'),
    ("bridges", '"pn-*"'),
    ("bridges", '"a" }'),
    ("bridges", '"0123456789abcdef"'),
    ("published_ports4", "10.0.0.1 . tcp . 80"),
    ("published_ports4", "10.0.0.1 . tcp . 80 : 10.0.0.2 . 65536"),
    ("routed_ports4", "10.0.0.1 . gre . 80"),
    ("routed_ports4", "10.0.0.1 . tcp . ٣"),
]
GOOD = written({"bridges": ['"pn-a"'], "masqueraded": ['"pn-a" . ipv4']})


def bad(number: int) -> Elements:
    """Return elements that this nft refuses, although they have the form of their set."""
    texts = {"bridges": [f'"bad{number}"'], "sources4": [f'"bad{number}" : 192.0.2.66']}
    return written({**texts, "guarded_ports": [f'"port{number}"']})


@pytest.mark.parametrize(("name", "element"), NO_ELEMENTS)
def test_what_is_no_element_never_becomes_text(world: World, name: str, element: str) -> None:
    """An invalid element is refused by its set's name and never becomes nft text; a known owner is closed."""
    assert f"nftables set '{name}'" in SET[name].read(as_listed(element)).flaw
    world.firewall.load({"pn-a": GOOD, "pn-b": [*written({"bridges": ['"pn-b"']}), *written({name: [element]})]})

    assert element not in {value for _, value in world.nft.elements}
    assert {("bridges", '"pn-a"'), ("masqueraded", '"pn-a" . ipv4')} <= world.nft.elements
    assert [finding.sentence.split("'")[1] for finding in world.firewall.refused()] == ["pn-b"]


@pytest.mark.parametrize("count", [1, 2, 5, MOST_REFUSED + 1])
def test_refused_owners_are_found_and_closed(world: World, count: int) -> None:
    """Refused owners among others are found and closed, and the others get their elements."""
    world.nft.unwritable = {"192.0.2.66"}
    wanted = {f"good{number}": written({"bridges": [f'"good{number}"']}) for number in range(3)}
    wanted |= {f"bad{number}": bad(number) for number in range(count)}
    world.firewall.load(wanted)

    assert {finding.sentence.split("'")[1] for finding in world.firewall.refused()} >= {f"bad{n}" for n in range(count)}
    assert {
        ("bridges", '"good0"'),
        ("bridges", '"bad0"'),
        ("internal_bridges", '"bad0"'),
        ("guarded_ports", '"port0"'),
    } <= world.nft.elements
    assert not any(name == "sources4" for name, _ in world.nft.elements)


def test_a_refused_owner_is_tried_again_by_whole_looks(world: World) -> None:
    """A refused owner is tried again in every survey, and named with the reason until the kernel accepts it."""
    furnish(world)
    before = world.snapshot()
    world.nft.unwritable = {OUTBOUND}
    flush(world)
    failed = [repair for repair in world.reconciler.reconcile() if repair.error]
    assert [(repair.kind, OUTBOUND in repair.error, BRIDGE in repair.sentence) for repair in failed] == [
        ("RulesRefused", True, True)
    ]
    assert ("internal_bridges", f'"{BRIDGE}"') in world.nft.elements
    assert world.reconciler.status().failing == tuple(failed)
    world.nft.unwritable = set()

    assert world.reconciler.reconcile() == []
    assert world.snapshot() == before
    assert world.reconciler.status().failing == ()


def test_an_owner_that_cannot_be_written_is_not_taken(world: World) -> None:
    """A new owner that cannot be written leaves nothing, and others can be written."""
    world.driver.create_network(rq.network())
    for harm in (lambda _: None, flush):
        harm(world)
        world.nft.unwritable = {"10.8.0.2"}
        with pytest.raises(KernelError, match=r"unexpected 10\.8\.0\.2"):
            world.firewall.put(
                "pnh1", written({"guarded_ports": ['"pnh1"'], "trusted_ports4": ["10.8.0.2 . tcp . 80"]})
            )
        world.firewall.put("pnh2", written({"guarded_ports": ['"pnh2"']}))
        world.firewall.heal(elements=True)

        assert {("guarded_ports", '"pnh2"'), ("bridges", f'"{BRIDGE}"')} <= world.nft.elements
        assert ("guarded_ports", '"pnh1"') not in world.nft.elements
        assert world.firewall.refused() == {}


def test_a_refused_owner_can_change_and_go(world: World) -> None:
    """A refused owner can get other elements, or be removed without a trace."""
    world.nft.unwritable = {"192.0.2.66"}
    world.firewall.load({"pn-a": GOOD, "bad1": bad(1), "bad2": bad(2)})
    world.firewall.put("bad1", written({"bridges": ['"bad1"']}))
    world.firewall.forget("bad2")

    assert world.nft.elements == {("bridges", '"pn-a"'), ("masqueraded", '"pn-a" . ipv4'), ("bridges", '"bad1"')}
    assert world.firewall.refused() == {}


def test_without_tables_ports_are_down_and_nothing_is_created(world: World) -> None:
    """Without tables ports are down and nothing is created, until the tables can be written."""
    furnish(world)
    before = world.snapshot()
    world.nft.unwritable = {"chain forward"}
    flush(world)
    with pytest.raises(KernelError, match="are missing, so all is closed"):
        world.reconciler.heal(elements=False)
    assert not world.kernel.by_name[PORT].up
    requests = (
        lambda: world.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24", options={"pynet.guard": "off"})),
        lambda: world.driver.create_endpoint(replace(rq.endpoint("10.9.0.3/24"), endpoint_id="e1" * 32)),
        lambda: world.driver.program_external_connectivity(rq.program(8081)),
    )
    for request in requests:
        with pytest.raises(PynetError, match="nftables tables 'pynet' are missing, so all is closed"):
            request()
    world.nft.unwritable = set()
    Watcher(world.reconciler, Silence()).look(frozenset())

    assert world.snapshot() == before
    assert world.kernel.by_name[PORT].up


def test_without_a_guard_no_endpoint_is_created_without_tables(world: World) -> None:
    """Without tables not even an endpoint without a guard, which has no elements, is created."""
    world.driver.create_network(rq.network(options={"pynet.guard": "off"}))
    world.nft.unwritable = {"chain forward"}
    flush(world)
    with pytest.raises(KernelError):
        world.firewall.heal()
    with pytest.raises(PynetError, match="are missing, so all is closed"):
        world.driver.create_endpoint(rq.endpoint())


def test_endpoints_go_without_tables(world: World) -> None:
    """DeleteEndpoint and DeleteNetwork succeed without tables."""
    furnish(world)
    world.nft.unwritable = {"chain forward"}
    flush(world)
    with pytest.raises(KernelError):
        world.firewall.heal()
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)

    assert world.store.list(Endpoint) == []


def test_a_start_without_tables_sets_ports_down(world: World) -> None:
    """A start that cannot write tables sets ports down; one that can sets them up again."""
    furnish(world)
    before = world.snapshot()
    world.nft.unwritable = {"chain forward"}
    flush(world)
    restarted(world)
    assert not world.kernel.by_name[PORT].up
    world.nft.unwritable = set()
    restarted(world)

    assert world.snapshot() == before


def test_a_start_goes_on_where_ports_cannot_be_found_either(world: World) -> None:
    """A start without tables and without a list of links goes on; the next check sets the ports down."""
    furnish(world)
    world.nft.unwritable = {"chain forward"}
    flush(world)
    links = world.kernel.links

    def refuse(**_: Any) -> list[Link]:
        raise KernelError("list links: cannot allocate memory")

    world.kernel.links = refuse  # type: ignore[method-assign]
    again = restarted(world)
    world.kernel.links = links  # type: ignore[method-assign]
    assert world.kernel.by_name[PORT].up
    with pytest.raises(KernelError, match="are missing, so all is closed"):
        again.reconciler.heal(elements=False)
    assert not world.kernel.by_name[PORT].up


def test_tables_that_are_there_are_enough(world: World) -> None:
    """While the tables exist, a broken nft changes nothing."""
    furnish(world)
    world.nft.unwritable = {"chain forward"}
    world.nft.rewritten = "somebody's rule"
    with pytest.raises(KernelError, match="syntax error"):
        world.reconciler.heal(elements=False)

    assert world.kernel.by_name[PORT].up
    world.driver.create_endpoint(replace(rq.endpoint("10.9.0.3/24"), endpoint_id="e1" * 32))


def test_a_network_that_cannot_be_understood_is_closed(world: World) -> None:
    """A network whose record cannot be understood is closed: it is internal, and its ports let nothing in."""
    furnish(world)
    known = world.store.list(Network)[0].record
    world.store.transact(Put(replace(known, options={"pynet.nonsense": "1"})))
    restarted(world)

    assert {name for name, value in world.nft.elements if value == f'"{BRIDGE}"'} == {"bridges", "internal_bridges"}
    assert {name for name, value in world.nft.elements if f'"{PORT}"' in value} == {"guarded_ports"}
