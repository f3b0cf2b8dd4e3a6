"""Addresses that are reserved for containers by their names."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest

from netlink.ip import Address
from plugin.errors import Conflict, InvalidRequest, NotFound, PynetError
from plugin.ipam.sticky import NamedAddress
from plugin.model.records import Lease, Pool
from plugin.protocol.change_messages import Reservation, ReserveAddress
from plugin.protocol.messages import ReleasePool, RequestPool
from plugin.store.base import Put
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.ipam.parts import address, release
from tests.unit.ipam.test_sticky import Manager

FIFTH: Address = ip_address("10.1.0.5")


@pytest.fixture(params=["off", "name"])
def manager(request: pytest.FixtureRequest) -> Manager:
    """Return an address manager with a pool, sticky or not, whose fifth address is reserved for "web"."""
    found = Manager(sticky=request.param)
    found.ipam.reserve(pool_of(found), "web", FIFTH)
    return found


def pool_of(manager: Manager) -> Pool:
    """Return the record of the pool."""
    stored = manager.store.get(Pool, manager.pool)
    assert stored is not None
    return stored.record


def test_a_name_gets_its_reserved_address_and_nobody_else_does(manager: Manager) -> None:
    """Also after it was given back, after a restart of pynet, and when no other address is left."""
    assert manager.ask("web") == "10.1.0.5"
    release(manager.ipam, manager.pool, "10.1.0.5")
    manager.restarted()
    others = {manager.ask(f"other{number}") for number in range(5)}
    assert "10.1.0.5" not in others
    with pytest.raises(PynetError, match="no available addresses"):
        manager.ask("last")
    assert manager.ask("web") == "10.1.0.5"


def test_an_engine_without_names_asks_for_the_address(manager: Manager) -> None:
    """Before 29.0, --ip names the address; it stays reserved when it is given back. Another name is refused."""
    assert manager.ask("", "10.1.0.5") == "10.1.0.5"
    release(manager.ipam, manager.pool, "10.1.0.5")
    with pytest.raises(Conflict, match=r"'10.1.0.5' of pool '10.1.0.0/29' is reserved for 'web'"):
        manager.ask("db", "10.1.0.5")
    assert manager.ask("web") == "10.1.0.5"


def test_the_end_of_a_reservation_frees_the_address(manager: Manager) -> None:
    """A holder keeps the address until it gives it back; nothing is left of the name then."""
    assert manager.ask("web") == "10.1.0.5"
    assert manager.ipam.unreserve(pool_of(manager), "web") == FIFTH
    with pytest.raises(NotFound, match=r"no address of '10.1.0.0/29' is reserved for 'web'"):
        manager.ipam.unreserve(pool_of(manager), "web")
    release(manager.ipam, manager.pool, "10.1.0.5")
    manager.clock.now += 1e9
    assert manager.ask("db", "10.1.0.5") == "10.1.0.5"


def test_the_reservation_goes_with_the_pool(manager: Manager) -> None:
    """Nothing is left in the store, and a pool of the same subnet begins without it."""
    subnet = pool_of(manager).subnet
    manager.ipam.release_pool(ReleasePool(manager.pool))

    assert [manager.store.list(kind) for kind in (Lease, NamedAddress)] == [[], []]
    pool = manager.ipam.request_pool(RequestPool("pynet-local", subnet, None, {}, v6=False)).pool_id
    assert address(manager.ipam, pool, "10.1.0.5", name="db").startswith("10.1.0.5/")


REFUSED: dict[str, tuple[type[PynetError], str, Callable[[Manager], object]]] = {
    "outside": (InvalidRequest, "is not in pool", lambda m: m.ipam.reserve(pool_of(m), "db", ip_address("10.2.0.1"))),
    "broadcast": (InvalidRequest, "broadcast", lambda m: m.ipam.reserve(pool_of(m), "db", ip_address("10.1.0.7"))),
    "second": (
        Conflict,
        "'10.1.0.5' is reserved for 'web' already; unreserve it first",
        lambda m: m.ipam.reserve(pool_of(m), "web", ip_address("10.1.0.4")),
    ),
    "of another": (Conflict, "is reserved for 'web'", lambda m: m.ipam.reserve(pool_of(m), "db", FIFTH)),
    "held": (
        Conflict,
        "address '10.1.0.1' is already in use in pool '10.1.0.0/29' by 'first'",
        lambda m: m.ipam.reserve(pool_of(m), "db", ip_address("10.1.0.1")),
    ),
}


@pytest.mark.parametrize(("kind", "why", "call"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_reserved_changes_nothing(
    kind: type[PynetError], why: str, call: Callable[[Manager], object], manager: Manager
) -> None:
    """The user gets a sentence, and the same request for a reservation that is there changes nothing either."""
    assert manager.ask("first", "10.1.0.1") == "10.1.0.1"
    before = [manager.store.list(one) for one in (Pool, Lease, NamedAddress)]

    with pytest.raises(kind, match=why):
        call(manager)
    manager.ipam.reserve(pool_of(manager), "web", FIFTH)
    assert [manager.store.list(one) for one in (Pool, Lease, NamedAddress)] == before


def test_a_network_reserves_in_its_pools_alone(world: World) -> None:
    """The verb finds the pool by the network; without one of pynet, and with a bad name, it says so."""
    data = replace(rq.ipam("10.9.0.1/24"), address_space="pynet-local")
    world.driver.create_network(replace(rq.network(), ipv4_data=(data,)))
    wanted = ReserveAddress(rq.NETWORK_ID, "web", ip_address("10.9.0.50"))
    with pytest.raises(InvalidRequest, match=r"'10.9.0.50' cannot be reserved: .* \(--ipam-driver pynet\)"):
        world.live.reserve_address(wanted)
    world.store.transact(Put(Pool("pynet-local/10.9.0.0/24", data.pool)))
    with pytest.raises(InvalidRequest, match="'a b' is no name that a container can have"):
        world.live.reserve_address(replace(wanted, name="a b"))

    assert world.live.reserve_address(wanted) == Reservation(rq.NETWORK_ID, "web", [ip_address("10.9.0.50")])
    assert world.live.unreserve_address(wanted).addresses == [ip_address("10.9.0.50")]
    with pytest.raises(NotFound, match="has no address reserved for 'web'"):
        world.live.unreserve_address(wanted)
