"""The directory of a network: what a change costs, and that many changes lead to the same entries as a listing."""

from ipaddress import IPv4Address, IPv4Interface, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from netlink.vxlan import EVERYBODY, Forward, Neighbour, Remote
from plugin.cluster.overlay.directory import Directory, Lead, wanted_tables
from plugin.cluster.overlay.forwarding import LocalView
from plugin.cluster.overlay.records import Member, Peer
from plugin.model.records import Endpoint
from plugin.store.base import Versioned

VIEW = LocalView("h1", ip_address("192.0.2.1"), (ip_network("10.0.0.0/8"),), "02:00:00:00:00:fe")
MANY = 2000


def peer(number: int, host: str = "h2", address: int = 0, mac: int = 0) -> Peer:
    """Return an endpoint; address and MAC follow from its number unless they are given."""
    place, mac = 0x0A000100 + (address or number), mac or number
    return Peer("blue", f"e{number}", host, f"02:42:00:00:{mac >> 8:02x}:{mac & 255:02x}", IPv4Interface((place, 8)))


def member(host: str, number: int) -> Versioned[Member]:
    """Return a host of the network."""
    return Versioned(Member("blue", host, "d4", ip_address(f"192.0.2.{number}")), 1)


class Counting(Directory):
    """Counts the MACs and addresses of which it computes entries."""

    computed = 0

    def _entries(self, owned: object) -> list[Lead]:
        self.computed += 1
        return list(super()._entries(owned))  # type: ignore[arg-type]


def test_a_change_costs_the_same_among_many() -> None:
    """A new endpoint, its move and its end look at its own entries only, and change nothing else."""
    directory = Counting(VIEW)
    directory.list_members([member("h2", 2), member("h3", 3)])
    directory.list_peers([Versioned(peer(number), number) for number in range(1, MANY)])
    assert len(directory.changes()[0]) == 3 * (MANY - 1) + 1
    directory.computed, new = 0, peer(MANY)
    for item, coming, going in (
        (Versioned(new, MANY), 3, 0),
        (Versioned(peer(MANY, "h3"), MANY + 1), 2, 1),
        (None, 0, 4),
    ):
        directory.take_peer(new.key, item, MANY + 2 if item is None else item.revision)
        assert tuple(map(len, directory.changes())) == (coming, going)

    assert directory.computed <= 3 * 2 * 4


class CountingAddress(IPv4Address):
    """Counts how often an address is compared, or made a key."""

    uses = 0

    def __hash__(self) -> int:
        CountingAddress.uses += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        CountingAddress.uses += 1
        return super().__eq__(other)


def test_a_change_costs_the_same_with_a_thousand_hosts() -> None:
    """A new endpoint compares the addresses of its own host only, and the hosts are not gathered again."""
    members = [Member("blue", f"h{n}", "d4", CountingAddress(0xC6120000 + n)) for n in range(2, 1002)]
    directory = Directory(VIEW)
    directory.list_members(Versioned(one, 1) for one in members)
    directory.changes()
    hosts, CountingAddress.uses = directory.hosts, 0
    directory.take_peer("blue/e1", Versioned(peer(1, "h900"), 2), 2)
    assert len(directory.changes()[0]) == 4
    assert directory.hosts is hosts
    assert CountingAddress.uses < 20


def test_a_host_that_moves_takes_its_endpoints_along() -> None:
    """Only the entries of its own endpoints are looked at."""
    directory = Counting(VIEW)
    directory.list_members([member("h2", 2), member("h3", 3)])
    directory.list_peers([Versioned(peer(n, "h3" if n == 1 else "h2"), n) for n in range(1, 500)])
    directory.changes()
    directory.computed = 0
    moved = Versioned(Member("blue", "h3", "d4", ip_address("192.0.2.4")), 9)
    directory.take_member(moved.record.key, moved, 9)
    coming, going = directory.changes()
    assert {entry.host for entry in coming if isinstance(entry, Remote)} == {ip_address("192.0.2.4")}
    assert (len(coming), len(going), directory.computed) == (2, 2, 8)


def test_frames_to_all_go_to_hosts_with_endpoints() -> None:
    """A host of the network gets frames to all from its first endpoint to its last; it may send at any time."""
    directory = Directory(VIEW)
    directory.list_members([member("h2", 2), member("h3", 3)])
    flood = Remote(EVERYBODY, ip_address("192.0.2.2"))
    assert directory.entries() == set()
    assert directory.hosts == {ip_address("192.0.2.2"), ip_address("192.0.2.3")}
    for number in (1, 2):
        directory.take_peer(f"blue/e{number}", Versioned(peer(number), number), number)
        assert (flood in directory.changes()[0]) is (number == 1)
    for number in (1, 2):
        directory.take_peer(f"blue/e{number}", None, 10)
        assert (flood in directory.changes()[1]) is (number == 2)


def test_an_address_of_this_host_comes_and_goes() -> None:
    """While this host has an endpoint with the address, the record of the other host leads nowhere, as a whole."""
    directory = Directory(VIEW)
    directory.list_members([member("h2", 2)])
    directory.take_peer("blue/e1", Versioned(theirs := peer(1), 1), 1)
    directory.changes()
    directory.take_local("n/own", Endpoint("own", "n", "02:00:00:00:00:07", theirs.ipv4))
    assert directory.changes() == (set(), {Forward(theirs.mac), Remote(theirs.mac, ip_address("192.0.2.2")),
                                           Neighbour(theirs.addresses[0], theirs.mac)})  # fmt: skip
    assert list(directory.refused()) == ["cluster-peer 'blue/e1'"]
    directory.take_local("n/own", None)

    assert len(directory.changes()[0]) == 3
    assert directory.refused() == {}


HOSTS = st.sampled_from(["h1", "h2", "h3", "h9"])
SMALL = st.integers(1, 4)
Step = tuple[str, int, str, int, int]  # the change, a number, a host, an address and a MAC
STEPS = st.tuples(st.sampled_from(["peer", "end", "host", "local", "stop"]), SMALL, HOSTS, SMALL, SMALL)


class Books:
    """The records after some changes, each of which a directory hears."""

    def __init__(self) -> None:
        self.directory = Directory(VIEW)
        self.peers: dict[str, Versioned[Peer]] = {}
        self.members: dict[str, Versioned[Member]] = {}
        self.local: dict[str, Endpoint] = {}

    def take(self, step: Step, revision: int) -> None:
        """Change a record, and tell the directory."""
        what, number, host, address, mac = step
        if what == "host":
            known = Versioned(Member("blue", host, str(number), ip_address(f"192.0.2.{address + 1}")), revision)
            self.members[known.record.key] = known
            self.directory.take_member(known.record.key, known, revision)
        elif what in ("local", "stop"):
            record = peer(number, host, address, mac)
            own = Endpoint(str(number), "n", "" if mac == 1 else record.mac, record.ipv4) if what == "local" else None
            self.local.pop(str(number), None)
            self.local |= {str(number): own} if own else {}
            self.directory.take_local(str(number), own)
        else:
            self._peer(peer(number, host, address, mac), revision, there=what == "peer")

    def _peer(self, record: Peer, revision: int, *, there: bool) -> None:
        self.peers.pop(record.key, None)
        if there:
            self.peers[record.key] = Versioned(record, revision)
        self.directory.take_peer(record.key, self.peers.get(record.key), revision)


@given(steps=st.lists(STEPS, max_size=30))
def test_changes_add_up_to_a_listing(steps: list[Step]) -> None:
    """After any changes the entries written one by one are those that a listing gives."""
    books, written = Books(), set[Lead]()
    for revision, step in enumerate(steps, 1):
        books.take(step, revision)
        coming, going = books.directory.changes()
        written = (written - going) | coming
        wanted = wanted_tables(books.peers.values(), books.members.values(), books.local.values(), VIEW)

        assert (written, books.directory.refused()) == (wanted.entries, wanted.refused)
        assert written == books.directory.entries()
