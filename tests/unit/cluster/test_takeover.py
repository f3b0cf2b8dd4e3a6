"""Taking over what a dead host holds: when, by whom, and never from a host that may be alive."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Interface, ip_address

import pytest

from plugin.cluster.addresses.records import ClusterLease
from plugin.cluster.hosts.records import HostTakeover, KnownHost
from plugin.cluster.names.records import ClusterName
from plugin.cluster.overlay.records import AddressClaim, Member, Peer
from plugin.cluster.takeover.taking import KINDS, Taking
from plugin.cluster.takeover.waiting import Takeover, Timing
from plugin.errors import PynetError
from plugin.model.records import Network, Overlay
from plugin.options.takeover import takeover, takeover_text
from plugin.protocol.messages import Countdown
from plugin.store.base import ABSENT, Change, Expect, Put, Record, Remove
from plugin.store.memory import MemoryStore
from tests.unit.cluster.parts import ClusterMember, FakeClusterStore

ADDRESS = ip_address("10.9.0.2")


class Dying(FakeClusterStore):
    """Dies at a write, before or after it is carried out, as a host does that is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.left = -1
        self.at_write: Callable[[], object] = lambda: None

    def transact(self, *changes: Change) -> None:
        act, self.at_write = self.at_write, lambda: None
        act()
        if self.left == 0:
            raise KeyboardInterrupt
        super().transact(*changes)
        self.left -= 1
        if self.left == 0 and len(changes) % 2:
            raise KeyboardInterrupt


def records(network: str, host: str) -> list[Record]:
    own = IPv4Interface("10.9.0.2/24")
    return [
        Peer(network, "e1", host, "02:00:00:00:00:01", own),
        AddressClaim(network, ADDRESS, "e1", host),
        ClusterName(network, "e1", host, ("web",), (ADDRESS,)),
        ClusterLease(f"{network}/10.9.0.0/24", ADDRESS, host, "t"),
        Member(network, host, "n", ip_address("192.0.2.2"), 60),
    ]


class Hosts:
    """Host a with the network blue, which asks for takeover, and host b, which holds records of blue and red."""

    def __init__(self) -> None:
        self.store = Dying()
        self.b = ClusterMember(self.store, "b")
        self.b.beat()
        self.store.transact(*(Put(record) for name in ("blue", "red") for record in records(name, "id-b")))
        self.now = 0.0
        self.gone: float | None = None
        self.watching = 0
        self.local = MemoryStore()
        self.a = self.taker("id-a")
        self.join("blue", 60)

    def join(self, name: str, after: int) -> None:
        overlay = Overlay(name, 5000, 4789, 1450, after)
        self.local.transact(Put(Network(name, "overlay", f"pn-{name}", overlay=overlay)))

    def taker(self, name: str) -> Takeover:
        tokens = iter(f"{name}-{number}" for number in range(99))
        taking = Taking(self.store, name, lambda: next(tokens))
        return Takeover(self.local, self, taking, Timing(lambda: self.now, lambda: 0.0))

    def asking(self, network: str) -> dict[str, int]:
        return {item.record.host: item.record.takeover for item in self.store.list(Member, f"{network}/")}

    def watch(self) -> Callable[[], None]:
        self.watching += 1

        def end() -> None:
            self.watching -= 1

        return end

    def since(self, _host: str) -> float | None:
        return self.gone

    def die(self) -> None:
        self.store.expire("id-b")
        self.gone = 0.0
        self.a.look()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.gone is not None:
            self.gone += seconds

    def held(self, network: str = "blue") -> list[str]:
        listed = [(kind.kind, item.record.host) for kind in KINDS for item in self.store.list(kind, f"{network}/")]
        return [kind for kind, host in listed if host == "id-b"]


def test_a_dead_host_loses_what_it_holds_in_networks_that_ask() -> None:
    """Endpoints, names, claims, leases and the membership go after the time, and those of other networks stay."""
    hosts = Hosts()
    hosts.die()
    hosts.wait(59)
    hosts.a.look()
    assert len(hosts.held()) == 5
    hosts.wait(1)
    hosts.a.look()
    assert hosts.held() == []
    assert len(hosts.held("red")) == 5


def test_an_outage_of_the_store_begins_the_time_anew() -> None:
    """A host may have been back while the store was away."""
    hosts = Hosts()
    hosts.die()
    hosts.wait(50)
    hosts.gone = None
    hosts.a.look()
    hosts.gone = 0.0
    for seconds in (0, 20, 30):
        hosts.wait(seconds)
        hosts.a.look()
    assert len(hosts.held()) == 5
    hosts.wait(10)
    hosts.a.look()
    assert hosts.held() == []


def test_a_taker_that_slept_through_a_return_is_refused() -> None:
    """The host came back and died again, and the taker's watch has told neither."""
    hosts = Hosts()
    hosts.die()
    hosts.b.beat()
    hosts.store.expire("id-b")
    hosts.wait(100)
    hosts.a.look()
    assert len(hosts.held()) == 5


@pytest.mark.parametrize("step", range(7))
def test_a_host_that_returns_at_any_step_ends_the_takeover(step: int) -> None:
    """Whatever is still there stays, and nothing is removed after the return."""
    hosts = Hosts()
    hosts.die()
    hosts.wait(60)
    count = iter(range(99))
    real = hosts.store.transact

    def transact(*changes: Change) -> None:
        if next(count) == step:
            hosts.store.transact = real  # type: ignore[method-assign]
            hosts.b.membership.renew()
            there.extend(hosts.held())
        real(*changes)

    there: list[str] = []
    hosts.store.transact = transact  # type: ignore[method-assign]
    hosts.a.look()
    assert hosts.held() == there
    assert hosts.store.get(HostTakeover, "id-b/blue") is None or step == 6


@pytest.mark.parametrize("writes", range(1, 7))
def test_another_host_finishes_what_a_killed_one_began(writes: int) -> None:
    """The membership goes last, and leads to the rest."""
    hosts = Hosts()
    hosts.die()
    hosts.wait(60)
    hosts.store.left = writes
    with pytest.raises(KeyboardInterrupt):
        hosts.a.look()
        raise KeyboardInterrupt
    hosts.store.left = -1
    other = hosts.taker("id-c")
    for seconds in (0, 60):
        hosts.wait(seconds)
        other.look()
    assert hosts.held() == []


def test_of_two_takers_one_decides() -> None:
    """The second is refused by the store, and waits anew."""
    hosts = Hosts()
    other = hosts.taker("id-c")
    hosts.die()
    other.look()
    hosts.wait(60)
    hosts.a.look()
    hosts.store.transact(Put(Member("blue", "id-b", "n", ip_address("192.0.2.2"), 60)))  # as c still believes
    other.look()
    taken = hosts.store.get(HostTakeover, "id-b/blue")
    assert taken is not None
    assert taken.record.by == "id-a"
    assert hosts.held() == ["cluster-member"]


def test_each_network_counts_from_the_death() -> None:
    """A takeover in one network does not hold up that of another one which waits longer, on this host or elsewhere."""
    hosts = Hosts()
    hosts.join("red", 90)
    other = hosts.taker("id-c")
    hosts.die()
    other.look()
    hosts.wait(60)
    hosts.a.look()
    assert (hosts.held(), len(hosts.held("red"))) == ([], 5)
    assert [countdown.left for countdown in (*hosts.a.countdowns(), *other.countdowns())] == [30, 30]
    hosts.wait(30)
    other.look()
    assert hosts.held("red") == []


def test_a_return_between_two_takeovers_forbids_the_second() -> None:
    """Its later death is another one, from which the time counts anew."""
    hosts = Hosts()
    hosts.join("red", 90)
    hosts.die()
    hosts.wait(60)
    hosts.a.look()
    hosts.b.beat()
    hosts.store.expire("id-b")
    for seconds in (30, 0, 89):  # refused, begun anew
        hosts.wait(seconds)
        hosts.a.look()
    assert len(hosts.held("red")) == 5
    hosts.wait(1)
    hosts.a.look()
    assert hosts.held("red") == []


def test_a_host_that_returns_ends_takeovers_that_it_cannot_read() -> None:
    """A newer pynet may have written them; none of them may go on."""
    hosts = Hosts()
    hosts.store.expire("id-b")
    hosts.store.spoil(HostTakeover, "id-b/blue", "{")
    hosts.b.membership.renew()
    hosts.store.transact(Expect(HostTakeover, "id-b/blue", ABSENT))


def test_a_host_that_returns_takes_nothing_back() -> None:
    """Its address is another host's by now; the log says so, and the takeover is over."""
    hosts = Hosts()
    hosts.die()
    hosts.wait(60)
    hosts.a.look()
    hosts.store.transact(*(Put(record) for record in records("blue", "id-c")))
    hosts.b.beat()
    assert hosts.store.get(HostTakeover, "id-b/blue") is None
    assert [item.record.host for item in hosts.store.list(ClusterLease, "blue/")] == ["id-c"]


def test_a_takeover_while_the_store_goes_away_is_repeated() -> None:
    """Nothing is lost: the time begins anew when the store is back."""
    hosts = Hosts()
    hosts.die()
    hosts.wait(60)
    hosts.store.at_write = lambda: setattr(hosts.store, "away", True)
    with pytest.raises(PynetError):
        hosts.a.look()
    hosts.store.away = False
    for seconds in (0, 60):
        hosts.wait(seconds)
        hosts.a.look()
    assert hosts.held() == []


def test_nobody_watches_for_networks_that_do_not_ask() -> None:
    """The watch begins with the first network that asks, and ends with the last one."""
    hosts = Hosts()
    hosts.a.look()
    assert hosts.watching == 1
    hosts.local.transact(Remove(Network, "blue"))
    hosts.a.look()
    assert hosts.watching == 0


def test_a_forgotten_host_is_not_taken_over() -> None:
    """There is nothing to bind a takeover to, and nothing to release."""
    hosts = Hosts()
    hosts.store.transact(Remove(KnownHost, "id-b"))
    hosts.die()
    hosts.wait(100)
    hosts.a.look()
    assert hosts.store.get(HostTakeover, "id-b/blue") is None


def test_the_countdown_runs_while_the_host_is_dead() -> None:
    """It says since when the host is missed and when its addresses go, and ends with its return."""
    hosts = Hosts()
    hosts.die()
    hosts.wait(25)
    assert hosts.a.countdowns() == [Countdown("id-b", "b", "blue", 25, 35)]
    hosts.gone = None
    assert hosts.a.countdowns() == []


def test_a_host_with_an_earlier_pynet_is_left_alone() -> None:
    """It would not end a takeover at its return, and has not asked for one."""
    hosts = Hosts()
    (member,) = hosts.store.list(Member, "blue/")
    hosts.store.transact(Put(replace(member.record, takeover=0)))
    hosts.die()
    hosts.wait(100)
    hosts.a.look()
    assert len(hosts.held()) == 5


@pytest.mark.parametrize(("text", "seconds"), [("off", 0), ("after 31s", 31), ("after 5m", 300), ("after 24h", 86400)])
def test_times_are_read(text: str, seconds: int) -> None:
    """A time has its unit."""
    assert takeover(text) == seconds
    assert takeover(takeover_text(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "60s", "after 60", "after 30s", "after 25h", "after -1m", "after 60s ", "on"])
def test_bad_times_are_refused(text: str) -> None:
    """A time that is not longer than the lease would hit living hosts."""
    with pytest.raises(ValueError, match=r".*"):
        takeover(text)
