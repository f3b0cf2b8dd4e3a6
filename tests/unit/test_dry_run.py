"""The dry run changes nothing, reports lasting drift, and leaves requests in flight out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plugin.request.locks import LockName, Locks
from tests.fakes import World
from tests.unit import requests as rq

BRIDGE, ALIAS = "pn-a1a1a1a1a1a1", "pynet/network/dead"


class Awaited(Locks):
    """Locks whose holder does something before it lets the next one in."""

    def __init__(self) -> None:
        super().__init__(deadline=1)
        self.before: dict[LockName, Callable[[], object]] = {}

    @contextmanager
    def hold(self, *names: LockName) -> Iterator[None]:
        """Let the holder end, and take the locks."""
        for name in names:
            self.before.pop(name, lambda: None)()
        with super().hold(*names):
            yield


def test_a_request_in_flight_is_no_drift() -> None:
    """A half-made network or link is checked again when its request has ended, and is no drift."""
    world = World(locks=(locks := Awaited()))
    world.driver.create_network(rq.network())
    world.kernel.change(BRIDGE, up=False)
    world.kernel.add_bridge("pn-dead", "02:00:00:00:00:09", 1500)
    world.kernel.change("pn-dead", alias=ALIAS)
    locks.before[LockName.network(rq.NETWORK_ID)] = lambda: world.kernel.change(BRIDGE, up=True)
    locks.before[LockName.network("dead")] = lambda: world.kernel.by_name.pop("pn-dead")

    assert world.dry_run.look() == []
    assert locks.before == {}


def test_what_lasts_is_said_and_left_as_it_is() -> None:
    """A link that is down, and one without an owner, are reported and left as they are."""
    world = World()
    world.driver.create_network(rq.network())
    world.kernel.change(BRIDGE, up=False)
    world.kernel.add_bridge("pn-dead", "02:00:00:00:00:09", 1500)
    world.kernel.change("pn-dead", alias=ALIAS)
    before = world.snapshot()

    assert [repair.kind for repair in world.dry_run.look()] == ["LinkDown", "OrphanLink"]
    assert world.snapshot() == before
