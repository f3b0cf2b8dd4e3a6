"""Dropped packets are added up by network, endpoint and reason; the guard's are logged at most once a minute."""

import struct
import threading
from ipaddress import IPv4Interface, IPv6Interface, ip_address

import pytest
from structlog.testing import capture_logs

from netlink.counters import Counted
from netlink.errors import KernelError, Missing
from plugin.background.share import pause_after
from plugin.engine.names import Known
from plugin.firewall.reasons import REASONS, REMEMBERED
from plugin.model.records import Endpoint, Network
from plugin.observe import tallies
from plugin.observe.drops import LONGEST, PERIOD, SHARE, SILENCE, Drops
from plugin.protocol.drop_messages import DropEnd, DroppedPackets, DropReport
from plugin.protocol.messages import Drop
from plugin.store.base import Put, Remove
from plugin.store.memory import MemoryStore

PORT = "pnhe0"
NUMBERS = {reason.name: number for number, reason in enumerate(REASONS, 1)}


class Kernel:
    """Counters as the kernel keeps them: by reason and links, and in the table inet by addresses as well."""

    def __init__(self) -> None:
        self.sets: dict[tuple[str, str], dict[bytes, tuple[int, float]]] = {}
        self.tables = True

    def counted(self, family: str, table: str, name: str) -> list[Counted]:
        if not self.tables:
            raise Missing(f"{family} {table} {name}")
        return [Counted(key, *each) for key, each in self.sets.get((family, name), {}).items()]

    def drop(self, reason: str, packets: int, came: str = PORT, went: str = "") -> None:
        """Let the kernel have counted ``packets`` by the links."""
        family = next(each.family for each in REASONS if each.name == reason)
        key = struct.pack("=I16s16s", NUMBERS[reason], came.encode(), went.encode())
        self.sets.setdefault((family, "drops"), {})[key] = (packets, 2.0)

    def drop_between(self, reason: str, packets: int, came: str, source: str, target: str) -> None:
        """Let the kernel have counted ``packets`` by the addresses, the last two seconds ago."""
        ends = ip_address(source), ip_address(target)
        key = struct.pack("=I16s", NUMBERS[reason], came.encode()) + ends[0].packed + ends[1].packed
        self.sets.setdefault(("inet", f"drops{ends[0].version}"), {})[key] = (packets, 2.0)


class World:
    """A network "n" with the endpoint "e0", and a clock that stands."""

    def __init__(self) -> None:
        self.kernel, self.now, self.store = Kernel(), 1000.0, MemoryStore()
        addresses = IPv4Interface("10.9.0.2/24"), IPv6Interface("fd00:9::2/64")
        endpoint = Endpoint("e0", "n", "02:00:00:00:00:01", *addresses)
        self.store.transact(Put(Network("n", "bridge", "pn-n")), Put(endpoint))
        names = lambda: Known({"n": "web"}, {"e0": "shop"})  # noqa: E731
        self.drops = Drops(self.kernel, self.store, "pynet", names, lambda: self.now)

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
    world.kernel.drop("mac", 5)
    world.drops.by_network()
    world.kernel.drop("mac", 2)
    world.kernel.drop("dhcp", 1)
    world.kernel.drop("isolation", 9, "eth0", "pn-n")
    world.kernel.drop("forwarding", 4, "eth0", "eth1")
    expected = [Drop("", "forwarding", 4), Drop("n", "dhcp", 1), Drop("n", "isolation", 9), Drop("n", "mac", 7)]

    assert world.drops.by_network() == expected
    world.kernel.tables = False
    assert world.drops.by_network() == expected


def test_drops_are_added_up_by_endpoint(world: World) -> None:
    """A packet counts once: for the container that the rule is about, or for its network alone."""
    world.kernel.drop("mac", 5)
    world.kernel.drop("isolation", 9, "eth0", "pn-n")
    world.kernel.drop_between("isolation", 6, "eth0", "192.0.2.9", "10.9.0.2")
    world.kernel.drop_between("isolation", 2, "eth0", "192.0.2.9", "10.9.0.77")

    assert world.drops.by_endpoint() == [
        DroppedPackets("n", "isolation", "", 3),
        DroppedPackets("n", "isolation", "e0", 6),
        DroppedPackets("n", "mac", "e0", 5),
    ]


def test_a_report_says_who_was_refused_what(world: World) -> None:
    """A report has both ends, by endpoint and address, and the times of the first and the last packet."""
    world.kernel.drop_between("loopback", 1, "pn-n", "fd00:9::2", "::1")
    world.drops.reports()
    world.now += 50
    world.kernel.drop_between("loopback", 4, "pn-n", "fd00:9::2", "::1")
    world.kernel.drop("loopback", 5, "pn-n")
    sender, receiver = (ip_address(text) for text in ("fd00:9::2", "::1"))

    assert world.drops.reports() == [
        DropReport("n", "loopback", DropEnd("e0", sender, "pn-n"), DropEnd("", receiver, ""), 4, 998.0, 1048.0)
    ]


def test_what_was_refused_is_forgotten_with_its_network(world: World) -> None:
    """The owner of a link is remembered when its endpoint goes; with the network its counts go too."""
    world.kernel.drop("mac", 5)
    world.drops.by_network()
    world.store.transact(Remove(Endpoint, "e0"))
    world.kernel.drop("mac", 6)
    assert world.drops.by_endpoint() == [DroppedPackets("n", "mac", "e0", 6)]
    world.store.transact(Remove(Network, "n"))

    assert world.drops.by_network() == []
    assert world.drops.reports() == []


def test_an_address_that_another_container_gets_has_another_count(world: World) -> None:
    """Packets of a container are not told of the next one with its address, nor of the network after a removed one."""
    world.kernel.drop_between("loopback", 2, "pn-n", "10.9.0.2", "127.0.0.1")
    world.drops.reports()
    again = Endpoint("e1", "n", "02:00:00:00:00:02", IPv4Interface("10.9.0.2/24"))
    world.store.transact(Remove(Endpoint, "e0"), Put(again))
    world.kernel.drop_between("loopback", 7, "pn-n", "10.9.0.2", "127.0.0.1")
    world.kernel.drop_between("internal_out", 3, "pn-removed", "10.7.0.2", "192.0.2.9")
    world.kernel.drop_between("isolation", 3, "eth0", "192.0.2.9", "10.7.0.2")
    world.kernel.drop_between("isolation", 3, "pn-removed", "10.7.0.2", "10.9.0.2")
    world.kernel.drop("mac", 3, "pnhremoved")

    assert [(each.sender.endpoint, each.packets) for each in world.drops.reports()] == [("e0", 2), ("e1", 5)]
    assert world.drops.by_network() == []
    world.kernel.drop("isolation", 3, "pn-of-another-pynet", "pn-n")
    assert world.drops.by_network() == [Drop("n", "isolation", 3)]


def test_the_oldest_are_forgotten_when_there_are_many(world: World) -> None:
    """Somebody who sends from many addresses fills no memory: the oldest counts by address go, and the sum stays."""
    for number in range(tallies.MOST + 1):
        world.kernel.drop_between("isolation", 1, "eth0", f"198.18.{number >> 8}.{number & 255}", "10.9.0.2")
    world.kernel.drop("isolation", tallies.MOST + 1, "eth0", "pn-n")

    assert world.drops.by_network() == [Drop("n", "isolation", tallies.MOST + 1)]
    assert len(world.drops.reports()) < tallies.MOST


def test_a_line_names_container_reason_and_way_out(world: World) -> None:
    """The log line names the container as the engine does, the reason, and the option that opens the guard."""
    world.kernel.drop("router", 3)
    with capture_logs() as lines:
        world.drops.tell()

    assert (lines[0]["container"], lines[0]["network"], lines[0]["frames"]) == ("shop", "web", {"router": 3})
    assert "only a router sends" in lines[0]["why"]
    assert "pynet.guard" in lines[0]["hint"]
    world.now += SILENCE
    world.kernel.drop("flood", 3)
    with capture_logs() as lines:
        world.drops.tell()
    assert lines[0]["hint"] == "only the first 4000 in a second pass; send less, or to single hosts"


def test_one_endpoint_is_named_once_a_minute(world: World) -> None:
    """An endpoint is logged once a minute with all drops since; without drops nothing is logged."""
    for frames, expected in ((1, [{"mac": 1}]), (4, []), (9, [])):
        world.kernel.drop("mac", frames)
        assert world.told() == expected
    world.now += SILENCE

    assert world.told() == [{"mac": 8}]
    world.now += SILENCE
    assert world.told() == []


def test_who_asks_gets_what_is_known_now(world: World) -> None:
    """A caller gets current counts, which the background thread reads for it."""
    world.kernel.drop("mac", 5)
    world.drops.start()
    assert world.drops.known(10) == [Drop("n", "mac", 5)]
    world.kernel.drop("mac", 6)
    assert world.drops.known(10) == [Drop("n", "mac", 6)]


def test_who_asks_does_not_wait_for_a_kernel_that_hangs(world: World) -> None:
    """A caller does not wait for a hanging kernel: it gets the last known counts."""
    hanging, real = threading.Event(), world.kernel.counted
    world.kernel.drop("mac", 5)
    world.drops.start()
    world.drops.known(10)
    world.kernel.counted = lambda *args: hanging.wait(20) and real(*args)  # type: ignore[method-assign,assignment]
    known = [world.drops.known(0.01) for _ in range(20)]
    hanging.set()

    assert known == [[Drop("n", "mac", 5)]] * 20


@pytest.mark.parametrize(("cost", "pause"), [(0.001, PERIOD), (0.06, 60), (2.0, LONGEST)])
def test_the_more_a_reading_costs_the_later_is_the_next(cost: float, pause: float) -> None:
    """Readings take a thousandth of a core, and come before the kernel forgets a count."""
    assert pause_after(cost, SHARE, PERIOD, LONGEST) == pytest.approx(pause)
    assert LONGEST < REMEMBERED


def test_counters_that_cannot_be_read_are_those_of_before(world: World) -> None:
    """If counters cannot be read, a caller gets the last counts, and the log says why."""
    world.kernel.drop("mac", 5)
    world.drops.answer()
    world.kernel.counted = no_counters  # type: ignore[method-assign]
    with capture_logs() as lines:
        world.drops.answer()

    assert world.drops.known(0) == [Drop("n", "mac", 5)]
    assert [line["event"] for line in lines] == ["dropped packets not read"]


def no_counters(family: str, table: str, name: str) -> list[Counted]:
    """Fail as the kernel may."""
    raise KernelError(f"list {family} {table} {name}")
