"""Elements written without libnftables are the same as those that nft writes from the same text."""

from collections.abc import Iterable, Iterator

import pytest

from netlink.errors import Missing
from netlink.monitor import RULES, Monitor
from netlink.nftables import Nftables, open_runner
from netlink.own_changes import OwnChanges
from plugin.firewall.ruleset import tables_text
from plugin.firewall.sets import SETS
from plugin.model.elements import Elements
from tests.elements import SET, written
from tests.kernel.container import sh

WORDS = {
    "ifname": '"pn-0123456789ab"',
    "nf_proto": "ipv6",
    "inet_proto": "sctp",
    "inet_service": "8080",
    "classid": "12ab:34cd",
    "ether_addr": "02:42:0a:00:00:02",
    "ipv4_addr": "10.9.0.2",
    "ipv6_addr": "fd00::2",
    "@th,96,24": "70",
    "@th,64,128": "0xfd0000000000000000000000000000aa",
    "@nh,128,64": "0x0042c0fffea83202",
    "@th,128,64": "0x0042c0fffea83202",
}
WANTED = written(
    {
        of.name: [
            " . ".join(WORDS[part.type] for part in of.key)
            + (" : " + " . ".join(WORDS[part.type] for part in of.value)) * bool(of.value)
        ]
        for of in SETS
    }
    | {
        "allowed_addresses4": ['"pnh1" . 02:42:0a:00:00:02 . 0.0.0.0/0', '"pnh2" . 02:42:0a:00:00:02 . 10.9.0.9'],
        "allowed_addresses6": ['"pnh1" . 02:42:0a:00:00:02 . 64:ff9b::/96'],
        "allow_out4": ["10.9.0.2 . 10.0.0.3-10.0.0.17 . 0-255 . 0-65535", "10.9.0.3 . 10.0.0.0/8 . tcp . 80-90"],
        "from_groups": ['"pnh1" . ffff:fffe . 0-255 . 0-65535', '"pnh2" . 1:2 . udp . 53'],
        "allowed_targets": [f'"pnh1" . 0x{0:032x}-0x{(1 << 128) - 1:032x}', f'"pnh2" . 0x{7:032x}'],
        "subnets4": ['"pn-0123456789ab" . 10.9.0.0/24', '"pn-9876543210ab" . 0.0.0.0/0'],
        "subnets6": ['"pn-0123456789ab" . fd00::/64', '"pn-9876543210ab" . ::/0'],
    }
)


@pytest.fixture
def nft() -> Iterator[Nftables]:
    """Nftables with the empty tables of a pynet called "pynet"."""
    nftables = Nftables(open_runner())
    nftables.apply(tables_text("pynet", []))
    yield nftables
    nftables.close()


def ports(words: Iterable[str]) -> Elements:
    """Return what publishes ports of all addresses."""
    return written({"published_ports_any4": [f"{word} : 10.9.0.2 . 80" for word in words]})


def test_elements_are_what_nft_makes_of_the_same_words(nft: Nftables) -> None:
    """An element of every set and map is listed the same, written by pynet or by nft."""
    nft.apply(tables_text("pynet", [WANTED]))
    by_nft = sh("nft list ruleset")
    nft.apply(tables_text("pynet", []))
    nft.change("pynet", [], WANTED)
    nft.change("pynet", [], WANTED)

    assert by_nft.count("elements = ") == len(SETS)
    assert sh("nft list ruleset") == by_nft


def test_elements_that_nft_wrote_can_be_deleted(nft: Nftables) -> None:
    """Keys and ends of intervals are the same bytes as nft's, and nothing is left."""
    empty = sh("nft list ruleset")
    nft.apply(tables_text("pynet", [WANTED]))
    nft.change("pynet", WANTED, [])

    assert sh("nft list ruleset") == empty


def test_a_refused_change_changes_nothing(nft: Nftables) -> None:
    """If one element of a change cannot be deleted, the whole change is refused."""
    before = sh("nft list ruleset")
    with pytest.raises(Missing, match="table 'pynet'"):
        nft.change("pynet", WANTED[1:2], WANTED[:1])
    with pytest.raises(Missing, match="table 'other'"):
        nft.change("other", [], WANTED)

    assert sh("nft list ruleset") == before


def test_many_elements_are_one_transaction(nft: Nftables) -> None:
    """Two thousand ports are one transaction of several messages."""
    many = ports(f"tcp . {number}" for number in range(20000, 22000))
    nft.change("pynet", [], many)
    listed = sh("nft list map inet pynet published_ports_any4").count("10.9.0.2")
    nft.change("pynet", many, [])

    assert listed == 2000
    assert "10.9.0.2" not in sh("nft list map inet pynet published_ports_any4")


def test_the_monitor_tells_own_changes_from_others(nft: Nftables) -> None:
    """What pynet writes itself must not make it look whether somebody else did."""
    nft.change("pynet", [], WANTED)
    with Monitor("pynet", is_own=nft.is_own, changes=OwnChanges(), prefixes=["pn-"], is_bridge=bool) as monitor:
        nft.change("pynet", WANTED, [])
        assert not monitor.wait(0.3)
        sh("nft 'add element inet pynet bridges { \"x\" }'")
        assert monitor.wait(5) == {RULES}


def test_thousands_of_small_changes_are_answered_in_full(nft: Nftables) -> None:
    """Thousands of small changes get all their answers, although they are more than the socket's buffer holds."""
    names = written({"bridges": [f'"pn-{number:012}"' for number in range(5000)]})
    nft.change("pynet", [], names)
    nft.change("pynet", names, [])

    assert "pn-" not in sh("nft list set inet pynet bridges")


def test_ten_thousand_elements_are_one_message_to_the_kernel(nft: Nftables) -> None:
    """Larger than what a socket may send by default (net.core.wmem_max, 212,992 bytes)."""
    many = ports(f"{proto} . {number}" for proto in ("tcp", "udp") for number in range(1, 5001))
    nft.change("pynet", [], many)

    assert sh("nft list map inet pynet published_ports_any4").count("10.9.0.2") == 10000


@pytest.mark.parametrize("packed", [True, False])
def test_every_set_is_listed_as_it_was_written(nft: Nftables, packed: bool) -> None:
    """The bytes of every element come back from the kernel, whether we wrote it packed or nft wrote its text."""
    if packed:
        nft.change("pynet", [], WANTED)
    else:
        nft.apply(tables_text("pynet", [WANTED]))
    listed = [(of, element) for of in SETS for element in nft.elements_of("pynet", of)]

    assert len(listed) == len(WANTED)
    assert set(listed) == {(element.of, element.packed) for element in WANTED}


def test_elements_of_others_are_listed_whatever_they_carry(nft: Nftables) -> None:
    """Elements with a comment, without an end or for everything are listed too."""
    wanted = written({"bridges": ['"one"', '"two"'], "subnets4": ['"a" . 10.9.0.0/24', '"b" . 10.1.1.1']})
    nft.change("pynet", [], [wanted[0], wanted[2]])
    sh("""nft add element inet pynet bridges '{ "two" comment "x" }'""")
    sh("""nft add element inet pynet docker_bridges '{ * }'""")
    sh("""nft add element inet pynet subnets4 '{ "b" . 10.1.1.1 }'""")

    for name in ("bridges", "subnets4"):
        listed = nft.elements_of("pynet", SET[name])
        assert sorted(listed) == sorted(element.packed for element in wanted if element.of.name == name)
    assert nft.elements_of("pynet", SET["docker_bridges"]) == [b""]


def test_static_parts_are_the_same_until_somebody_changes_a_rule(nft: Nftables) -> None:
    """Elements, handles and counters do not matter to the static parts; a rule, a policy and a flag do."""
    before = nft.static_parts("pynet")
    sh("ip link set lo up; ping -c 1 -W 1 127.0.0.1")
    nft.apply(tables_text("pynet", [WANTED]))
    assert nft.static_parts("pynet") == before
    for change in (
        "add rule inet pynet forward counter drop",
        "chain inet pynet forward '{ policy drop; }'",
        "add table inet pynet '{ flags dormant; }'",
        "add set bridge pynet more '{ type ifname; }'",
    ):
        nft.apply(tables_text("pynet", []))
        sh(f"nft {change}")
        assert nft.static_parts("pynet") != before


def test_own_changes_are_told_apart_exactly(nft: Nftables) -> None:
    """A transaction that changes nothing raises no number; others' changes between ours are seen."""
    first = nft.generation()
    for _ in range(2):
        nft.change("pynet", [], WANTED)
    nft.apply(tables_text("pynet", []))
    assert nft.generation() == first
    with pytest.raises(Missing):
        nft.change("pynet", WANTED[:1], [])
    sh("nft add table ip other")
    nft.change("pynet", [], WANTED)
    assert nft.generation() == first + 1
