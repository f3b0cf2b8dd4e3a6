"""A failed undo is retried like a failed removal, so that leftovers of a request are removed as soon as possible."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from netlink.errors import KernelError
from netlink.nft_elements import Element
from plugin.errors import Failed, PynetError
from plugin.model.records import Lease, Pool
from plugin.request.execution import Overdue, WorkerPool
from plugin.request.locks import LockName, Locks
from plugin.request.retries import RetryQueue
from plugin.request.work import Work
from plugin.store.base import Change
from tests.fake_sockets import Steps
from tests.fake_store import FailingStore
from tests.fakes import FakeKernel, FakeNft, World
from tests.unit import requests as rq
from tests.unit.ipam.parts import MeddlingStore, address, manager, pool
from tests.unit.test_fail_at_step import CREATING, an_endpoint, steps_of
from tests.unit.test_handover import engine_of
from tests.unit.test_publisher import OTHER_ENDPOINT, elements, other


class RefusingNft(FakeNft):
    """Refuses changes of elements: all after the first ``after``, or some of them."""

    after, times = 1 << 30, 1 << 30

    def change(self, table: str, delete: Sequence[Element], add: Sequence[Element]) -> None:
        self.after -= 1
        if self.after < 0 and self.times > 0:
            self.times -= 1
            raise KernelError("change elements: out of memory")
        super().change(table, delete, add)


class FullStore(FailingStore):
    """A disk that may be full."""

    full = False

    def transact(self, *changes: Change) -> None:
        if self.full:
            raise Failed("write the store: the disk is full")
        super().transact(*changes)


class Host:
    """A world that breaks where a test wants it."""

    def __init__(self) -> None:
        steps = Steps()
        self.nft, self.store = RefusingNft(steps), FullStore(steps)
        self.world = World(FakeKernel(steps), self.nft, self.store)

    def mend(self) -> None:
        """Let everything succeed again."""
        self.nft.after, self.store.full = 1 << 30, False


@pytest.mark.parametrize("times", [1, 2, 1 << 30])
def test_a_publication_that_fails_twice_leaves_nothing(times: int) -> None:
    """A publication and its undo fail; after Leave and DeleteEndpoint nothing is left for a new container."""
    host, world = (made := Host()), made.world
    an_endpoint(world.driver)
    host.nft.after, host.nft.times, host.store.full = 1, times, True
    with pytest.raises(PynetError, match="the disk is full") as caught:
        world.driver.program_external_connectivity(rq.program(8080))
    assert "undo failed: change elements: out of memory" in caught.value.__notes__
    host.mend()
    world.driver.leave(rq.ENDPOINT)
    world.driver.delete_endpoint(rq.ENDPOINT)
    assert (elements(world, "published_ports_any4"), world.sockets.taken) == ([], set())
    assert [world.reconciler.reconcile() for _ in range(2)] == [[], []]
    world.driver.create_endpoint(replace(rq.endpoint("10.9.0.2/24"), endpoint_id=OTHER_ENDPOINT))
    world.driver.program_external_connectivity(other(8080))

    assert elements(world, "published_ports_any4") == ["tcp . 8080 : 10.9.0.2 . 80"]


def test_what_cannot_be_taken_back_is_owed() -> None:
    """A failed undo is done in the background as soon as nft works, without a call of the engine."""
    host, world = (made := Host()), made.world
    an_endpoint(world.driver)
    before = world.snapshot()
    host.nft.after, host.store.full = 1, True
    with pytest.raises(PynetError, match="the disk is full"):
        world.driver.program_external_connectivity(rq.program(8080))
    assert world.reaper.retries.run() == 1
    assert elements(world, "published_ports_any4") == ["tcp . 8080 : 10.9.0.2 . 80"]
    host.mend()

    assert world.reaper.retries.run() == 0
    assert world.snapshot() == before


def broken_from(world: World, step: int) -> None:
    """Let everything that changes something fail from its ``step``-th on; 0 is never."""
    world.steps.count, world.steps.fail_at, world.steps.broken_from = 0, 0, step


SWEEP = [(name, step) for name in CREATING for step in range(1, steps_of(name) + 1)]


@pytest.mark.parametrize(("name", "step"), SWEEP)
def test_whatever_stays_broken_from_a_step_on_leaves_nothing(world: World, name: str, step: int) -> None:
    """If all steps fail from some step on, the background undoes everything later, and then the call succeeds."""
    prepare, call = CREATING[name]
    prepare(world.driver)
    before = world.snapshot()
    broken_from(world, step)
    with pytest.raises((KernelError, PynetError), match="simulated failure"):
        call(world.driver)
    broken_from(world, 0)
    world.bury()
    assert world.snapshot() == before
    assert world.reconciler.reconcile() == []

    call(world.driver)


@pytest.mark.parametrize(("name", "step"), SWEEP)
def test_the_same_request_pays_what_the_first_left(world: World, name: str, step: int) -> None:
    """A repeated request first undoes what the failed one left, and its own result stays."""
    prepare, call = CREATING[name]
    fresh = World()
    for driver in (fresh.driver, world.driver):
        prepare(driver)
    call(fresh.driver)
    broken_from(world, step)
    with pytest.raises((KernelError, PynetError), match="simulated failure"):
        call(world.driver)
    broken_from(world, 0)
    call(world.driver)
    world.bury()

    assert world.snapshot() == fresh.snapshot()
    assert world.reconciler.reconcile() == []


def test_the_next_request_about_the_same_pays_first() -> None:
    """The next request about the same object first undoes what is left, or is refused while that fails."""
    work, done, broken = Work(Locks(), retries := RetryQueue()), list[str](), [True]
    link = LockName.link("b")

    def take_back() -> None:
        if broken[0]:
            raise KernelError("out of memory")
        done.append("taken back")

    with pytest.raises(ValueError, match="broke"), work.create(LockName.network("a"), about=link) as undo:
        undo.push(take_back)
        raise ValueError("broke")
    with (
        pytest.raises(Failed, match="take back what an earlier request left of link b: out of memory"),
        work.create(LockName.network("c"), about=link),
    ):
        pytest.fail("made before")
    broken[0] = False
    with work.create(LockName.network("c"), about=link):
        done.append("made")

    assert (done, retries.run()) == (["taken back", "made"], 0)


@pytest.mark.parametrize("step", range(1, 12))
def test_ports_that_another_gave_up_in_vain_are_given_back(world: World, step: int) -> None:
    """If a handover of ports and its undo fail, the first network gets its ports back later."""
    engine = engine_of(world)
    engine.join("four")
    before = engine.published()
    broken_from(world, step)
    with suppress(PynetError, KernelError):
        engine.join("six")
    broken_from(world, 0)
    world.bury()

    world.reconciler.reconcile()
    assert engine.published() in (before, engine.wanted())
    assert world.reconciler.reconcile() == []
    assert world.sockets.taken >= {(6, "::", 8080)}


@pytest.mark.parametrize("kind", [Pool, Lease])
def test_what_was_leased_for_nobody_is_given_back_later(kind: type[Pool | Lease]) -> None:
    """An address or a pool of a caller that hung up is given back later if the store refuses at first."""
    store = MeddlingStore()
    ipam = manager(store)
    calls: dict[type[Pool | Lease], Callable[[], object]] = {Pool: lambda: pool(ipam, "10.1.0.0/29")}
    if kind is Lease:
        pool_id = pool(ipam, "10.1.0.0/29").pool_id
        calls[Lease] = lambda: address(ipam, pool_id)
    store.before = lambda: setattr(store, "before", lambda: setattr(store, "failures", 1))
    with pytest.raises(Overdue):
        WorkerPool().run(calls[kind], gone=lambda: True)
    assert len(store.list(kind)) == 1
    ipam._retries.run()

    assert store.list(kind) == []
