"""A caller is answered in time, and late results are undone or finished."""

import threading
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address
from typing import Any

import pytest

from netlink.deadline import deadline, remaining, within
from netlink.nft_elements import Element
from plugin.errors import Busy, Failed, NotFound
from plugin.model.records import Endpoint, Lease, Network, Pool
from plugin.protocol.messages import NetworkRef, ReleaseAddress, ReleasePool
from plugin.request.execution import Overdue, WorkerPool, commit
from plugin.request.retries import Owed
from plugin.store.base import Change
from tests.fake_sockets import Steps
from tests.fake_store import FailingStore
from tests.fakes import FakeKernel, FakeNft, World
from tests.unit import requests as rq
from tests.unit.ipam.parts import MeddlingStore, address, manager, pool

SHORT = 0.05  # seconds of patience
END = 10.0  # seconds for what comes at once


class Gate:
    """A step that hangs until it is opened; ``reached`` is set while a caller hangs in it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.open.wait(END)


class HangingKernel(FakeKernel):
    """The ``take``-th creation of a link hangs, as a netlink request does while the kernel's lock is held."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(Steps())
        self.gate: Callable[[], None] = gate

    def add_veth(self, pair: Any) -> None:
        super().add_veth(pair)
        self.gate()


class HangingNft(FakeNft):
    """Transactions hang while ``gate`` is set, as a call of libnftables can."""

    gate: Callable[[], None] | None = None

    def change(self, table: str, delete: Sequence[Element], add: Sequence[Element]) -> None:
        super().change(table, delete, add)
        if self.gate:
            self.gate()


class HangingStore(FailingStore):
    """Writes hang while ``gate`` is set, as on a disk that stalls: they are done when it comes back."""

    gate: Callable[[], None] | None = None

    def transact(self, *changes: Change) -> None:
        super().transact(*changes)
        if self.gate:
            self.gate()


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until another thread has made ``condition`` true."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.01) for _ in range(1000))


def settled(gate: Gate, condition: Callable[[], bool]) -> bool:
    """Open ``gate`` and wait until what hung is settled."""
    gate.open.set()
    return eventually(condition)


def fail(error: Exception) -> None:
    """Raise ``error``."""
    raise error


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Return a gate that is opened at the end, whatever happens."""
    gate = Gate()
    yield gate
    gate.open.set()


def test_work_in_time_gives_its_result() -> None:
    """Results and errors come to the caller as if it had done the work itself."""
    workers = WorkerPool(END)

    assert workers.run(lambda: 7) == 7
    with pytest.raises(NotFound, match="nobody"):
        workers.run(lambda: fail(NotFound("nobody")))


def test_a_caller_is_answered_while_its_work_hangs(gate: Gate) -> None:
    """A caller is answered while its work hangs; the text says how long it waited, and for which layer."""
    with pytest.raises(Busy, match=r"not done within 0\.05 s, waiting for the disk; pynet goes on"):
        WorkerPool(SHORT).run(gate, waiting_for=lambda: ", waiting for the disk")


def test_hanging_work_does_not_stop_others(gate: Gate) -> None:
    """Other callers get other threads; when all hang, a caller is still answered in time."""
    workers = WorkerPool(SHORT, most=2)
    for _ in range(2):
        with pytest.raises(Busy):
            workers.run(gate)
        assert gate.reached.wait(END)
    with pytest.raises(Busy):
        workers.run(lambda: None)


def test_threads_are_kept() -> None:
    """A hundred attempts, one after the other, share few threads."""
    workers = WorkerPool(END)
    names = {workers.run(threading.get_ident) for _ in range(100)}

    assert len(names) < 10


def test_waits_draw_from_one_deadline() -> None:
    """All waits of a request share one deadline; without a deadline each wait has its own limit."""
    assert remaining(30) == 30
    with deadline(0):
        assert remaining(30) < 1
        with deadline(20):
            assert 10 < remaining(30) <= 20
            with within(5), within(10):
                assert 1 < remaining(30) <= 5


def test_who_is_gone_is_not_served() -> None:
    """A caller that hung up takes the call for failed (moby pkg/plugins/client.go), so its result is undone."""
    with pytest.raises(Overdue, match="hung up"):
        WorkerPool(END).run(commit, gone=lambda: True)


def test_an_endpoint_that_comes_too_late_is_taken_back(gate: Gate) -> None:
    """A late endpoint is undone, as the engine sends no DeleteEndpoint; the same call then succeeds."""
    world = World(HangingKernel(gate))
    world.driver.create_network(rq.network())
    before = world.snapshot()
    with pytest.raises(Busy):
        WorkerPool(SHORT).run(lambda: world.driver.create_endpoint(rq.endpoint()))

    assert settled(gate, lambda: not world.locks._locks)
    assert world.snapshot() == before
    world.driver.create_endpoint(rq.endpoint())


def test_a_network_whose_commit_stalls_is_taken_back(gate: Gate) -> None:
    """A network is undone if its record reaches the disk only after the caller was told that it failed."""
    world = World(store=HangingStore(Steps()))
    before = world.snapshot()
    world.failing_store.gate = gate  # type: ignore[attr-defined]
    with pytest.raises(Busy):
        WorkerPool(SHORT).run(lambda: world.driver.create_network(rq.network()))

    assert settled(gate, lambda: not world.locks._locks)
    world.bury()
    assert world.snapshot() == before
    world.driver.create_network(rq.network(rq.OTHER_ID))  # the subnet is free


def test_ports_that_come_too_late_are_withdrawn(gate: Gate) -> None:
    """Late ports are withdrawn, as the engine goes on with Leave and DeleteEndpoint, never with Revoke."""
    world = World(nft=HangingNft(Steps()))
    world.driver.create_network(rq.network())
    world.driver.create_endpoint(rq.endpoint())
    before = world.snapshot()
    world.nft.gate = gate  # type: ignore[attr-defined]
    with pytest.raises(Busy):
        WorkerPool(SHORT).run(lambda: world.driver.program_external_connectivity(rq.program(8080)))

    assert settled(gate, lambda: not world.locks._locks)
    assert world.snapshot() == before


def test_requests_for_other_networks_do_not_wait(gate: Gate) -> None:
    """One network's veth hangs in the kernel; another network is made and removed meanwhile."""
    world = World(HangingKernel(gate))
    world.driver.create_network(rq.network())
    with pytest.raises(Busy):
        WorkerPool(SHORT).run(lambda: world.driver.create_endpoint(rq.endpoint()))
    world.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))
    world.driver.delete_network(NetworkRef(rq.OTHER_ID))

    assert not gate.open.is_set()


def test_who_meets_a_request_that_hangs_does_not_wait_long(gate: Gate) -> None:
    """After the caller of a hanging request was answered, requests for the same network are soon refused."""
    world = World(HangingKernel(gate))
    world.driver.create_network(rq.network())
    with pytest.raises(Busy):
        WorkerPool(SHORT).run(lambda: world.driver.create_endpoint(rq.endpoint()))

    with pytest.raises(Busy, match=r"network a1a1.* is busy with a request that hangs"):
        world.driver.create_endpoint(rq.endpoint())


def test_a_removal_that_finds_a_lock_held_is_done_later(gate: Gate) -> None:
    """DeleteNetwork while CreateEndpoint hangs is carried out later, as the engine takes both for done."""
    world = World(HangingKernel(gate))
    world.driver.create_network(rq.network())
    workers = WorkerPool(SHORT)
    with pytest.raises(Busy):
        workers.run(lambda: world.driver.create_endpoint(rq.endpoint()))
    with pytest.raises(Busy):
        workers.run(lambda: world.driver.delete_network(rq.NETWORK))
    assert eventually(lambda: world.reaper.retries.pending(Owed.network(rq.NETWORK_ID)))
    assert settled(gate, lambda: not world.locks._locks)
    world.bury()

    assert (world.store.list(Network), world.store.list(Endpoint), world.kernel.links()) == ([], [], [])


def test_an_address_that_comes_too_late_is_given_back(gate: Gate) -> None:
    """The engine releases no address of a request that failed."""
    store = MeddlingStore()
    ipam = manager(store)
    pool_id = pool(ipam, "10.1.0.0/29").pool_id
    store.before = gate
    with pytest.raises(Busy):
        WorkerPool(SHORT).run(lambda: address(ipam, pool_id))

    assert settled(gate, lambda: ipam._addresses._table(store.get(Pool, pool_id).record)._pending == set())  # type: ignore[union-attr]
    assert settled(gate, lambda: store.list(Lease) == [])


def test_a_release_that_fails_is_done_later() -> None:
    """A failed release is retried, as the engine never repeats it; a newer lease of the address is not touched."""
    store = MeddlingStore()
    ipam = manager(store)
    pool_id = pool(ipam, "10.1.0.0/29").pool_id
    for number in (1, 2):
        address(ipam, pool_id, f"10.1.0.{number}")
        store.failures = 1
        with pytest.raises(Failed):
            ipam.release_address(ReleaseAddress(pool_id, IPv4Address(f"10.1.0.{number}")))
    ipam.release_address(ReleaseAddress(pool_id, IPv4Address("10.1.0.2")))
    address(ipam, pool_id, "10.1.0.2")
    ipam._retries.run()

    assert [str(item.record.address) for item in store.list(Lease)] == ["10.1.0.2"]


def test_a_pool_that_is_requested_again_is_not_released_late() -> None:
    """A late release does not remove a pool that was requested again since."""
    store = MeddlingStore()
    ipam = manager(store)
    pool_id = pool(ipam, "10.1.0.0/29").pool_id
    store.failures = 1
    with pytest.raises(Failed):
        ipam.release_pool(ReleasePool(pool_id))
    ipam.release_pool(ReleasePool(pool_id))
    pool(ipam, "10.1.0.0/29")
    ipam._retries.run()

    assert [item.record.id for item in store.list(Pool)] == [pool_id]
