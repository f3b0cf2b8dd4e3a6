"""A mode is one file: ``tests.toy_mode``, registered here, does everything that other modes do."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from plugin.driver import Driver
from plugin.errors import Conflict, InvalidRequest
from plugin.model.desired import Desired
from plugin.model.records import Endpoint, Network
from plugin.modes.base import Capability, Mode
from plugin.modes.registry import MODES, link_prefixes, modes_of, network_options
from plugin.options.network import NetworkSettings
from plugin.protocol.messages import CreateNetwork
from plugin.store.base import Remove
from tests.fakes import World
from tests.toy_mode import ToyMode
from tests.unit import requests as rq
from tests.unit.failing import fails_and_leaves_nothing

BRIDGE, PORT = f"pnt{rq.NETWORK_ID[:12]}", f"pnh{rq.ENDPOINT_ID[:12]}"
FORWARDING = "net/ipv4/ip_forward"


def toy(network_id: str = rq.NETWORK_ID, gateway: str = "10.9.0.1/24", **options: str) -> CreateNetwork:
    """Return a request for a network of the mode; ``options`` are the mode's own."""
    own = {f"pynet.{key}": value for key, value in options.items()}
    return rq.network(network_id, gateway, options={"pynet.mode": "toy", **own})


def with_mode(mode: type[Mode] = ToyMode) -> World:
    """Return an imaginary host that has the mode."""
    world = World()
    world.modes |= modes_of(world.parts, [mode])
    return world


def a_container(world: World) -> None:
    """Make a network and an endpoint, and move its link as the engine does."""
    world.driver.create_network(toy(room="1300"))
    world.driver.create_endpoint(rq.endpoint())
    world.driver.join(rq.join())
    del world.kernel.by_name[f"pnc{rq.ENDPOINT_ID[:12]}"]


def test_it_runs_through_the_driver() -> None:
    """A container comes and goes; it publishes nothing, and the host neither forwards nor has an address."""
    world = with_mode()
    before = world.snapshot()

    a_container(world)
    world.driver.program_external_connectivity(rq.program(8080))

    assert (world.kernel.by_name[PORT].mtu, world.kernel.assigned) == (1300, set())
    assert (world.kernel.settings[FORWARDING], world.sockets.taken) == ("0", set())
    world.driver.leave(rq.ENDPOINT)
    world.driver.delete_endpoint(rq.ENDPOINT)
    world.driver.delete_network(rq.NETWORK)
    world.bury()
    assert world.snapshot() == before


def test_nobody_is_warned_of_a_way_out_that_it_never_has() -> None:
    """Forwarding is off, which matters only where the host is the gateway."""
    world = with_mode()
    world.kernel.settings[FORWARDING] = "0"

    with capture_logs() as lines:
        world.driver.create_network(toy())

    assert [line["event"] for line in lines if line["log_level"] == "warning"] == []


def test_its_links_are_repaired() -> None:
    """Somebody deletes the bridge, which is made again with its port in it, and then the port, which is forgotten."""
    world = with_mode()
    a_container(world)
    before = world.kernel.by_name[BRIDGE]

    world.kernel.delete_link(before)
    found = [repair.kind for repair in world.reconciler.reconcile()]

    made = world.kernel.by_name[BRIDGE]
    assert found == ["LinkMissing", "LinkDetached"]
    assert replace(made, index=before.index) == before
    assert world.kernel.by_name[PORT].master == made.index
    world.kernel.delete_link(world.kernel.by_name[PORT])
    assert [repair.kind for repair in world.reconciler.reconcile()] == ["EndpointLost"]
    assert not list(world.store.list(Endpoint))


CREATING: dict[str, Callable[[Driver], object]] = {
    "network": lambda driver: driver.create_network(toy()),
    "endpoint": lambda driver: driver.create_endpoint(rq.endpoint()),
}


def ready_for(name: str) -> World:
    """Return an imaginary host on which the creation may come next."""
    world = with_mode()
    if name == "endpoint":
        world.driver.create_network(toy())
    return world


CASES = [(name, step) for name, call in CREATING.items() for step in range(1, ready_for(name).steps_of(call) + 1)]


@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_creation_that_fails_leaves_nothing(name: str, step: int) -> None:
    """Whatever step breaks, the imaginary host is as it was before, and the same call then succeeds."""
    world = ready_for(name)

    fails_and_leaves_nothing(world, CREATING[name], step)


def test_what_is_left_of_it_is_deleted_at_once() -> None:
    """A link without a record goes in the look that finds it, as the mode declares for its kind."""
    world = with_mode()
    world.driver.create_network(toy())
    world.store.transact(Remove(Network, rq.NETWORK_ID))
    world.firewall.forget(BRIDGE)

    world.reconciler.reconcile()

    assert BRIDGE not in world.kernel.by_name


def test_its_options_are_its_own() -> None:
    """They are in the table, and another mode refuses them."""
    world = with_mode()

    with pytest.raises(InvalidRequest, match=r"option 'pynet\.room' is for mode toy only: add -o pynet\.mode=toy"):
        world.driver.create_network(rq.network(options={"pynet.room": "1300"}))
    table = {option.key: option for option in network_options([*MODES, ToyMode])}
    assert table["pynet.mode"].legal.startswith("bridge or overlay or ")
    assert table["pynet.mode"].legal.endswith(" or toy")
    assert table["pynet.room"].default == 1500
    assert link_prefixes(world.modes) == ("pn-", "pnh", "pni", "pnv", "pnw", "pns", "pnt")


class LanMode(ToyMode):
    """Its networks may be on one link of the host."""

    does = frozenset({Capability.SHARES_LINK})

    def plan(self, request: CreateNetwork, settings: NetworkSettings) -> Network:
        return replace(super().plan(request, settings), link="lan0")

    def desired(self, network: Network) -> Desired:
        return Desired(network.id)


@pytest.mark.parametrize(("mode", "allowed"), [(LanMode, True), (ToyMode, False)])
def test_networks_share_a_link_where_the_mode_allows_it(mode: type[Mode], allowed: bool) -> None:
    """All others have a link each: a second network with the same one is refused."""
    world = with_mode(mode)
    first, second = toy("c3" * 32), toy("c3" * 6 + "d4" * 26, "10.8.0.1/24")
    world.driver.create_network(first)

    with nullcontext() if allowed else pytest.raises(Conflict, match="belongs to network"):
        world.driver.create_network(second)
