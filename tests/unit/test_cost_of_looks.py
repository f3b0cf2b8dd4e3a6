"""The cost of a survey, counted on fakes: each finding costs a check of its own, not a survey of the host."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Interface
from typing import Any

import pytest

from netlink.links import Link
from netlink.monitor import NAMED, OWN
from netlink.nft_elements import NamedSet
from plugin.firewall.looks import TRIES
from plugin.firewall.sets import SETS
from plugin.model.records import Network, Tombstone
from plugin.protocol.messages import CreateEndpoint, Interface, NetworkRef, Repair
from plugin.reconcile.rounds import SHARE, SHORTEST
from plugin.reconcile.watcher import Watcher
from plugin.request.locks import FIREWALL
from tests.fake_sockets import Steps
from tests.fake_store import FailingStore
from tests.fakes import FakeKernel, FakeNft, World
from tests.unit import requests as rq

FORWARDING = "net/ipv4/ip_forward"
SOUND = {"dumps": 2, "links asked": 0, "addresses asked": 0, "rules listed": 1, "sets listed": len(SETS)}
LABELS = {
    "links": "dumps",
    "addresses": "dumps",
    "link": "links asked",
    "addresses_of": "addresses asked",
    "static_parts": "rules listed",
    "elements_of": "sets listed",
}


class Counted:
    """Counts calls of a fake, by method, and of a store the records that it lists."""

    def __init__(self, fake: Any, count: Counter[str], *names: str) -> None:
        self._fake, self._count, self._names = fake, count, names

    def __getattr__(self, name: str) -> Any:
        return self._counting(name) if name in self._names else getattr(self._fake, name)

    def _counting(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            found = getattr(self._fake, name)(*arguments, **named)
            if isinstance(self._fake, FailingStore):
                self._count["records"] += len(found)
            else:
                self._count[LABELS[name] + " in part" * bool(named.keys() & {"kind", "master"})] += 1
            return found

        return call


class Writes(Steps):
    """Counts the transactions of the store."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions = 0

    def take(self, what: str) -> None:
        self.transactions += what == "write the store"
        super().take(what)


class BusyNft(FakeNft):
    """Calls ``during`` in the middle of each listing; a ``strange`` one lists elements in another form."""

    during: Callable[[], object] = staticmethod(lambda: None)
    strange = False

    def static_parts(self, table: str) -> Sequence[bytes]:
        found = super().static_parts(table)
        self.during()
        return found

    def elements_of(self, table: str, of: NamedSet) -> Sequence[bytes]:
        return [b"strange"] if self.strange else super().elements_of(table, of)


class Host:
    """A world with networks of two endpoints each, which counts the questions of a survey."""

    def __init__(self, networks: int) -> None:
        self._count, steps = Counter[str](), Writes()
        self.steps = steps
        self.kernel, self.nft, store = FakeKernel(steps), BusyNft(steps), FailingStore(steps)
        kernel: Any = Counted(self.kernel, self._count, *LABELS)
        nft: Any = Counted(self.nft, self._count, *LABELS)
        records: Any = Counted(store, self._count, "list")
        self.world = World(kernel, nft, records)
        self.coming: Iterator[int] = iter(())  # networks, each made in the middle of a listing
        self.nft.during = self._meanwhile
        for number in range(networks):
            self.add(number)

    def add(self, number: int) -> None:
        """Make a network with two endpoints."""
        network_id, subnet = f"{number:04x}" * 16, f"10.{number // 256}.{number % 256}"
        self.world.driver.create_network(rq.network(network_id, f"{subnet}.1/24"))
        for last in (2, 3):
            interface = Interface(IPv4Interface(f"{subnet}.{last}/24"))
            endpoint_id = f"{number:04x}{last:02x}" + "e" * 58
            self.world.driver.create_endpoint(CreateEndpoint(network_id, endpoint_id, interface))

    def _meanwhile(self) -> None:
        if FIREWALL not in self.world.locks.held():
            for number in itertools.islice(self.coming, 1):
                self.add(number)

    def remove(self, number: int) -> None:
        """Remove a network with its endpoints, and do at once what happens in the background."""
        self.world.driver.delete_network(NetworkRef(f"{number:04x}" * 16))
        self.world.bury()

    def restart(self) -> Counter[str]:
        """Start pynet again, and return what was asked for how often, and how often the store was written."""
        self._count.clear()
        before, old = self.steps.transactions, self.world
        self.world = World(old.kernel, old.nft, old.failing_store)
        self.world.reconciler.recover()
        return self._count + Counter(transactions=self.steps.transactions - before)

    def look(self, harm: Callable[["Host"], None]) -> tuple[dict[str, int], Counter[str]]:
        """Do some harm and look at everything; return what was asked for how often, and what was repaired."""
        harm(self)
        repairs: list[Repair] = []
        count = self.counted(lambda: repairs.extend(self.world.reconciler.reconcile()))
        return dict.fromkeys((*SOUND, "records"), 0) | count, Counter(repair.kind for repair in repairs)

    def counted(self, call: Callable[[], object]) -> Counter[str]:
        """Make a call, and return what was asked for how often."""
        self._count.clear()
        call()
        return self._count


def sound(_: Host) -> None:
    """No harm."""


def forwarding_off(host: Host) -> None:
    """As a hardening script does."""
    host.kernel.settings[FORWARDING] = "0"


def bridges_down(host: Host) -> None:
    """Something to repair in every network."""
    for name, link in list(host.kernel.by_name.items()):
        if link.kind == "bridge":
            host.kernel.change(name, up=False)


def addresses_gone(host: Host) -> None:
    """As "ip addr flush" does for every bridge."""
    host.kernel.assigned.clear()


def change(host: Host) -> None:
    """No harm, but changes of pynet itself."""
    host.add(7)
    host.remove(1)


def leftovers(host: Host) -> None:
    """Ports of endpoints that nobody knows, as many as there are networks."""
    for number in range(len(host.kernel.by_name) // 5):
        name = f"pnh{number:012x}"
        host.kernel.by_name[name] = Link(5000 + number, name, "veth", alias=f"pynet/endpoint/{number:064x}")


@pytest.mark.parametrize("networks", [2, 30])
def test_a_sound_look_is_one_picture(networks: int) -> None:
    """A survey of a sound host lists links and addresses once, reads each record once, and asks for no single link."""
    count, repaired = Host(networks).look(sound)

    assert repaired == {}
    assert count == SOUND | {"records": 3 * networks + 1}  # and that forwarding was turned on


def test_rules_that_nobody_changed_are_not_listed_again() -> None:
    """Rules and elements are not listed again while the kernel's generation number of nftables is the same."""
    host = Host(3)
    host.look(sound)
    count, _ = host.look(sound)
    assert (count["rules listed"], count["sets listed"]) == (0, 0)
    count, repaired = host.look(lambda host: host.nft.elements.add(("internal_bridges", '"lan"')))
    assert repaired == {"TableChanged": 1}
    host.look(sound)
    host.nft.rewritten = "drop"
    host.world.reconciler.heal(elements=False)

    assert host.nft.rewritten == ""


def test_own_changes_cause_no_listing() -> None:
    """Networks, endpoints and ports that pynet makes and removes make nobody list rules or elements."""
    host = Host(3)
    host.look(sound)
    count, repaired = host.look(change)

    assert repaired == {}
    assert (count["rules listed"], count["sets listed"]) == (0, 0)


def test_a_change_by_others_causes_one_listing() -> None:
    """A change by others between own ones is found by one listing, and by another after the repair."""
    host = Host(3)
    host.look(sound)
    host.add(7)
    host.nft.elements.add(("internal_bridges", '"lan"'))
    count, repaired = host.look(lambda host: host.add(8))

    assert repaired == {"TableChanged": 1}
    assert count["sets listed"] == len(SETS)
    assert host.look(sound)[0]["sets listed"] == len(SETS)
    assert host.look(sound)[0]["sets listed"] == 0


def test_requests_do_not_wait_while_the_kernel_lists() -> None:
    """A request in the middle of a listing is served: nobody holds the firewall's lock."""
    host = Host(3)
    host.coming = iter([7])
    host.world.firewall.heal(elements=False)

    assert len(host.world.store.list(Network)) == 4


def test_a_listing_that_requests_made_stale_is_thrown_away() -> None:
    """Elements that pynet adds during a listing are no difference: it is taken again, and nothing is written."""
    host = Host(3)
    host.coming = iter([7, 8])
    count, repaired = host.look(sound)

    assert repaired == {}
    assert count["sets listed"] == 3 * len(SETS)


def test_a_kernel_that_lists_elements_in_another_form_is_not_repaired_for_ever() -> None:
    """Elements that differ although nobody changed anything since they were written are not compared any more."""
    host = Host(3)
    host.nft.strange = True
    host.nft.rewritten = "drop"
    _, repaired = host.look(sound)
    repairs = [host.look(sound)[1] for _ in range(3)]

    assert repaired == {"TableChanged": 1}
    assert repairs == [{}, {}, {}]


def test_requests_wait_for_the_last_of_several_listings() -> None:
    """On a host that changes all the time the last listing is taken under the lock, so that it ends."""
    host = Host(3)
    host.coming = iter(range(7, 50))
    host.nft.elements.add(("internal_bridges", '"lan"'))
    count, repaired = host.look(sound)

    assert repaired == {"TableChanged": 1}
    assert count["sets listed"] == (TRIES + 1) * len(SETS)


def test_one_setting_of_the_host_is_one_repair_whoever_needs_it() -> None:
    """A setting that a hundred networks share is one repair: no more list of links, and no check of any network."""
    host = Host(100)
    count, repaired = host.look(forwarding_off)

    assert repaired == {"HostSettingChanged": 1}
    assert count == SOUND | {"records": 3 * 100 + 2}  # and forwarding


def test_bridges_of_others_are_found_without_a_list_of_all_links() -> None:
    """A look at the host lists the bridges, and no ports of pynet's own."""
    host = Host(30)
    assert host.counted(lambda: host.world.reconciler.look_at_host(bridges=True)) == {"dumps in part": 1, "records": 2}


@pytest.mark.parametrize(
    ("harm", "kind"), [(bridges_down, "LinkDown"), (addresses_gone, "AddressMissing"), (leftovers, "OrphanLink")]
)
def test_a_finding_in_every_network_costs_no_dump(harm: Callable[[Host], None], kind: str) -> None:
    """A finding in every network asks for that network's links and records once, and makes no full listing."""
    count, repaired = Host(30).look(harm)

    assert repaired == {kind: 30}
    asked = (30, 0) if kind == "OrphanLink" else (30 * 3, 30)
    assert (count["dumps"], count["links asked"], count["addresses asked"]) == (SOUND["dumps"], *asked)
    assert count["records"] <= 3 * 30 + 1 + 2 * 30


@pytest.mark.parametrize(
    ("harm", "kind"), [(forwarding_off, "HostSettingChanged"), (bridges_down, "LinkDown"), (leftovers, "OrphanLink")]
)
def test_a_round_finds_what_a_survey_finds(harm: Callable[[Host], None], kind: str) -> None:
    """A round looks at one network after the other, and then at links without one; it lists links for these alone."""
    host = Host(30)
    host.look(sound)
    harm(host)
    host._count.clear()
    for _ in range(2):  # the first call begins the round
        host.world.reconciler._rounds._work(lambda: 0.0)

    assert set(host.world.reconciler.status().repairs) == {kind}
    assert host._count["dumps"] <= 2 + 1


def test_a_round_costs_a_small_share_of_a_core() -> None:
    """After a second of work the thread waits for as many seconds as the share says, and an early call does nothing."""
    host, seconds = Host(3), iter([0.0, 0.0, 0.5])
    rounds = host.world.reconciler._rounds
    assert 0 < rounds._work(lambda: 0.0) <= SHORTEST

    assert rounds._work(lambda: next(seconds)) == 0.5 / SHARE
    rounds._next_at = time.monotonic() + 100
    host._count.clear()
    assert 0 < rounds.go_on(lambda: next(seconds)) <= 100
    assert host._count == {}


def test_links_that_others_changed_cost_a_look_at_their_networks() -> None:
    """A named link of an endpoint, or a bridge, leads to a check of its network alone, without a listing."""
    host = Host(30)
    host.look(sound)
    bridges_down(host)
    bridges = [name for name, link in host.kernel.by_name.items() if link.kind == "bridge"][:2]
    host._count.clear()
    watcher = Watcher(host.world.reconciler, bell=None)  # type: ignore[arg-type]
    watcher._look_at_links(frozenset({OWN, *(NAMED + name for name in bridges)}))

    assert host.world.reconciler.status().repairs == {"LinkDown": 2}
    assert (host._count["dumps"], host._count["links asked"]) == (0, 2 * 3)


def test_rules_are_healed_without_records_and_links() -> None:
    """Flushed rules are written from memory, without records and links."""
    host = Host(30)
    host.look(sound)
    host._count.clear()
    host.nft.table, host.nft.elements = False, set()
    host.world.reconciler.heal(elements=False)

    assert host.nft.table
    assert {host._count[what] for what in ("dumps", "links asked", "records")} == {0}


def test_a_network_on_a_users_bridge_asks_for_the_addresses_of_that_alone() -> None:
    """An address that the user gave the bridge is recognised, and stays when the network is removed."""
    host, gateway = Host(3), IPv4Interface("10.99.0.1/24")
    host.kernel.by_name["br-mine"] = Link(6000, "br-mine", "bridge", mac="02:00:00:00:00:07", mtu=1500, up=True)
    host.kernel.add_address("br-mine", gateway)
    host._count.clear()
    host.world.driver.create_network(
        rq.network("f" * 64, str(gateway), options={"com.docker.network.bridge.name": "br-mine"})
    )
    asked = host._count["addresses asked"], host._count["dumps"]
    host.world.driver.delete_network(NetworkRef("f" * 64))

    assert asked == (1, 0)
    assert ("br-mine", gateway) in host.kernel.assigned


@pytest.mark.parametrize(("reboot", "records", "transactions"), [(False, 3, 0), (True, 4, 1)])
def test_a_start_costs_the_same_however_much_there_is(reboot: bool, records: int, transactions: int) -> None:
    """It lists the kernel once. After a reboot it forgets endpoints together, and reads networks again."""
    counts = []
    for networks in (2, 30):
        host = Host(networks)
        for take in (host.kernel.by_name.clear, host.kernel.assigned.clear) if reboot else ():
            take()
        counts.append(host.restart())
    assert {(count["dumps"], count["transactions"]) for count in counts} == {(2, transactions)}
    assert counts[1]["records"] - counts[0]["records"] == (30 - 2) * records
    assert host.world.store.list(Tombstone) == []


def test_a_start_counts_elements_once() -> None:
    """Recovery settles the elements of all owners when it loads them, and not again when it has written them."""
    host = Host(3)
    host.restart()
    wants = host.world.firewall._wants
    before = wants.changes
    host.world.reconciler.recover()

    assert wants.changes == before + 1
    assert len(wants.owners()) == 1 + 3 + 6  # of the host, of networks, of endpoints


def test_recovery_returns_the_records_that_it_read() -> None:
    """The log tells of a start in numbers, for which the records need not be read again."""
    host = Host(3)
    records = host.world.reconciler.recover()

    assert len(records.networks) == 3
    assert sum(map(len, records.endpoints.values())) == 6
