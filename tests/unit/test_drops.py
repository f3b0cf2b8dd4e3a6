"""The guard's drops are added up by network, and logged at most once a minute per endpoint."""

import threading
from collections import defaultdict

import pytest
from structlog.testing import capture_logs

from netlink.errors import KernelError, Missing
from plugin.firewall.bridge_rules import COUNTED
from plugin.firewall.drops import SILENCE, Drops
from plugin.model.records import Endpoint, Network
from plugin.protocol.messages import Drop
from plugin.store.base import Put
from plugin.store.memory import MemoryStore

PORT = "pnhe0"


class Kernel:
    """Counters as the kernel keeps them, by reason and link."""

    def __init__(self) -> None:
        self.by_reason: dict[str, dict[str, int]] = defaultdict(dict)
        self.tables = True

    def packets(self, family: str, table: str, name: str) -> dict[str, int]:
        if not self.tables:
            raise Missing(f"{family} {table} {name}")
        return dict(self.by_reason[name.removeprefix(COUNTED)])


class World:
    """A network "n" with the endpoint "e0", and a clock that stands."""

    def __init__(self) -> None:
        self.kernel, self.now, store = Kernel(), 0.0, MemoryStore()
        store.transact(Put(Network("n", "bridge", "pn-n")), Put(Endpoint("e0", "n", "02:00:00:00:00:01")))
        self.drops = Drops(self.kernel, store, "pynet", lambda: {"e0": ("web", "shop")}, lambda: self.now)

    def told(self) -> list[dict[str, int]]:
        """What the log says now."""
        with capture_logs() as lines:
            self.drops.tell()
        return [line["frames"] for line in lines]


@pytest.fixture
def world() -> World:
    """Return a world without drops."""
    return World()


def test_drops_are_added_up_by_network_and_reason(world: World) -> None:
    """Drops are added up by network and reason, also if the kernel restarts its counters or tables are gone."""
    world.kernel.by_reason["mac"][PORT] = 5
    world.drops.by_network()
    world.kernel.by_reason["mac"] = {PORT: 2}
    world.kernel.by_reason["dhcp"] = {PORT: 1, "pnhgone": 9}
    expected = [Drop("n", "dhcp", 1), Drop("n", "mac", 7)]

    assert world.drops.by_network() == expected
    world.kernel.tables = False
    assert world.drops.by_network() == expected


def test_a_line_names_container_reason_and_way_out(world: World) -> None:
    """The log line names the container as the engine does, the reason, and the option that opens the guard."""
    world.kernel.by_reason["router"][PORT] = 3
    with capture_logs() as lines:
        world.drops.tell()

    assert (lines[0]["container"], lines[0]["network"], lines[0]["frames"]) == ("shop", "web", {"router": 3})
    assert "only a router sends" in lines[0]["why"]
    assert "pynet.guard" in lines[0]["hint"]
    world.now, world.kernel.by_reason["flood"] = world.now + SILENCE, {PORT: 3}
    with capture_logs() as lines:
        world.drops.tell()
    assert lines[0]["hint"] == "only the first 4000 in a second pass; send less, or to single hosts"


def test_one_endpoint_is_named_once_a_minute(world: World) -> None:
    """An endpoint is logged once a minute with all drops since; without drops nothing is logged."""
    for frames, expected in ((1, [{"mac": 1}]), (4, []), (9, [])):
        world.kernel.by_reason["mac"][PORT] = frames
        assert world.told() == expected
    world.now += SILENCE

    assert world.told() == [{"mac": 8}]
    world.now += SILENCE
    assert world.told() == []


def test_who_asks_gets_what_is_known_now(world: World) -> None:
    """A caller gets current counts, which the background thread reads for it."""
    world.kernel.by_reason["mac"][PORT] = 5
    world.drops.start()
    assert world.drops.known(10) == [Drop("n", "mac", 5)]
    world.kernel.by_reason["mac"][PORT] = 6
    assert world.drops.known(10) == [Drop("n", "mac", 6)]


def test_who_asks_does_not_wait_for_a_kernel_that_hangs(world: World) -> None:
    """A caller does not wait for a hanging kernel: it gets the last known counts."""
    hanging, real = threading.Event(), world.kernel.packets
    world.kernel.by_reason["mac"][PORT] = 5
    world.drops.start()
    world.drops.known(10)
    world.kernel.packets = lambda *args: hanging.wait(20) and real(*args)  # type: ignore[method-assign,assignment]
    known = [world.drops.known(0.01) for _ in range(20)]
    hanging.set()

    assert known == [[Drop("n", "mac", 5)]] * 20


def test_counters_that_cannot_be_read_are_those_of_before(world: World) -> None:
    """If counters cannot be read, a caller gets the last counts, and the log says why."""
    world.kernel.by_reason["mac"][PORT] = 5
    world.drops.answer()
    world.kernel.packets = no_counters  # type: ignore[method-assign]
    with capture_logs() as lines:
        world.drops.answer()

    assert world.drops.known(0) == [Drop("n", "mac", 5)]
    assert [line["event"] for line in lines] == ["drops of the guard not read"]


def no_counters(family: str, table: str, name: str) -> dict[str, int]:
    """Fail as the kernel may."""
    raise KernelError(f"list {family} {table} {name}")
