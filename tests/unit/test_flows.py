"""``pynet flows``: tracked flows with the names of networks and containers."""

import json
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.commands.address_book import PATIENCE, AddressBook
from cli.commands.flows import (
    AT_ONCE,
    NOT_COUNTED,
    NOT_TRACKED,
    FlowFilter,
    Follower,
    documents,
    event_line,
    flows_of,
    notes,
    row_of,
    tables,
)
from cli.main import main
from netlink.errors import Denied
from netlink.flows import END, LOST, NEW, Flow, Match, Side, Traversed
from plugin.engine.names import Known
from plugin.errors import Unprivileged
from tests.contract.contract import document_validator

NET, WEB, DB = "a1" * 32, "e0" * 32, "e1" * 32
NAMES = Known({NET: "blue"}, {WEB: "web"})
NETWORKS: list[dict[str, Any]] = [
    {
        "ID": NET,
        "Link": "pn-a",
        "Subnets": [{"Gateway": "10.9.0.1"}, {"Gateway": ""}],
        "Endpoints": [
            {"ID": WEB, "Link": "pnhe0", "IPv4": "10.9.0.2/24", "IPv6": "fd00::2/64"},
            {"ID": DB, "Link": "pnhe1", "IPv4": "10.9.0.3/24", "IPv6": ""},
        ],
    }
]
BOOK = AddressBook(lambda: ({"Networks": NETWORKS}, NAMES), lambda: 0.0)


def side(text: str, port: int) -> Side:
    """Return an address with a port."""
    return Side(ip_address(text).packed, port)


def flow(source: str, destination: str, target: str = "", proto: int = 6, port: int = 80) -> Flow:
    """Return a connection to ``port``; with ``target`` it is port 8080 that is translated."""
    to = side(destination, 8080 if target else port)
    counts = Traversed(7, 1500), Traversed(9, 2_000_000)
    return Flow(proto, side(source, 5000), to, side(target or destination, port), "established", 60, None, *counts)


PUBLISHED = flow("192.0.2.9", "192.0.2.1", "10.9.0.2")
OUT = flow("10.9.0.3", "198.51.100.1", proto=17, port=53)
FOREIGN = flow("192.0.2.9", "192.0.2.1")


def cells(*flows: Flow) -> list[list[str]]:
    """Return the words of the table of flows."""
    return [line.split() for line in "\n".join(tables(row_of(one, BOOK, 0) for one in flows)).splitlines()]


def test_a_line_names_both_ends_and_the_published_port() -> None:
    """A container without a name is its endpoint's id, the gateway is the host, and others are addresses."""
    assert cells(PUBLISHED, OUT, flow("10.9.0.1", "fd00::2"))[1:] == [
        ["tcp", "192.0.2.9:5000", "web:80", "192.0.2.1:8080", "established", "1.5", "kB", "2.0", "MB", "60", "s"],
        ["tcp", "host:5000", "web:80", "-", "established", "1.5", "kB", "2.0", "MB", "60", "s"],
        ["udp", f"{'e1' * 6}:5000", "198.51.100.1:53", "-", "established", "1.5", "kB", "2.0", "MB", "60", "s"],
    ]
    uncounted = PUBLISHED._replace(there=None, back=None, expires=None)
    assert cells(uncounted)[1][4:] == ["established", "-", "-", "-"]
    assert cells() == [["PROTO", "FROM", "TO", "PUBLISHED", "STATE", "SENT", "BACK", "EXPIRES"]]


@pytest.mark.parametrize("number", [0, 1, AT_ONCE, AT_ONCE + 1])
def test_many_flows_are_printed_in_parts(number: int) -> None:
    """Only one part is in memory; together the parts are one table, and one document."""
    parts = list(tables(row_of(PUBLISHED, BOOK, 0) for _ in range(number)))
    whole = json.loads("".join(documents(row_of(PUBLISHED, BOOK, 0) for _ in range(number))))

    document_validator("flows").validate(whole)
    assert len(parts) == max(1, -(-number // AT_ONCE))
    assert len("\n".join(parts).splitlines()) == len(whole) + 1 == number + 1


class Kernel:
    """The flows of a kernel, which may be an old one that does not filter; remembers what it was asked for."""

    def __init__(self, *, filters: bool) -> None:
        self.filters, self.asked = filters, list[Match]()

    def __call__(self, match: Match) -> Iterator[Flow]:
        self.asked.append(match)
        for one in (PUBLISHED, OUT, FOREIGN, flow("10.9.0.2", "10.9.0.3")):
            alike = match.proto in {0, one.proto} and match.source in {b"", one.source.address}
            alike &= match.version in {0, 4} and match.target in {b"", one.target.address}
            if alike or not (self.filters or match.version):
                yield one


@pytest.mark.parametrize("filters", [True, False])
@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize(
    ("wanted", "number"),
    [(FlowFilter(), 3), (FlowFilter(17), 1), (FlowFilter(0, 80), 2), (FlowFilter(0, 8080), 1), (FlowFilter(6, 53), 0)],
)
def test_flows_are_selected_by_the_kernel_and_again(filters: bool, many: bool, wanted: FlowFilter, number: int) -> None:
    """Each flow is printed once, also one between two chosen containers, and those of nobody are not."""
    others = [{"ID": f"{last:064x}", "Link": "", "IPv4": f"10.9.1.{last}/24", "IPv6": ""} for last in range(20 * many)]
    kernel = Kernel(filters=filters)
    more = {"Networks": [*NETWORKS, {"ID": "b1" * 32, "Link": "pn-b", "Subnets": [], "Endpoints": others}]}
    book = AddressBook(lambda: (more, NAMES), lambda: 0.0)
    found = list(flows_of(book, wanted, kernel))

    assert len(found) == len(set(found)) == number
    assert len(kernel.asked) == (1 if many else 2 * 2 + 1)


def test_other_users_are_told_to_be_root() -> None:
    """The kernel tells flows to root alone."""

    def denied(_: Match) -> Iterator[Flow]:
        yield FOREIGN
        raise Denied("list tracked flows: operation not permitted")

    with pytest.raises(Unprivileged, match="list the flows that the kernel tracks: permission denied; run it as root"):
        list(flows_of(BOOK, FlowFilter(), denied))


def test_events_are_lines_with_names() -> None:
    """Flows of nobody and unwanted ones are left out, and lost events are told."""
    lost: list[int] = []
    follower = Follower(BOOK, FlowFilter(6), lambda: 1.5)
    events = [(NEW, PUBLISHED), (NEW, FOREIGN), (LOST, None), (END, PUBLISHED), (NEW, OUT)]
    rows = list(follower.rows(events, lambda: lost.append(1)))

    lines = [event_line(row).split(" ", 1)[1] for row in rows]
    assert lines == [
        "new  tcp 192.0.2.9:5000 -> web:80 by 192.0.2.1:8080",
        "end  tcp 192.0.2.9:5000 -> web:80 by 192.0.2.1:8080 established 1.5 kB sent 2.0 MB back",
    ]
    assert lost == [1]
    for row in rows:
        document_validator("flow-event").validate(row)


def test_a_container_that_comes_later_is_followed() -> None:
    """The engine and pynet are asked again for an unknown address, but not for every flow of others."""
    whole: dict[str, Any] = {"Networks": NETWORKS}
    answers, now = [{"Networks": []}, whole, whole], [0.0]
    follower = Follower(AddressBook(lambda: (answers.pop(0), NAMES), lambda: now[0]), FlowFilter())

    assert list(follower.rows([(NEW, PUBLISHED)], lambda: None)) == []
    now[0] = 2 * PATIENCE
    assert list(follower.rows([(NEW, PUBLISHED)] * 3, lambda: None))
    assert len(answers) == 1


def test_what_a_list_lacks_is_said(tmp_path: Path) -> None:
    """Counts of bytes that are off, and traffic on bridges that connection tracking does not see."""
    assert list(notes(tmp_path)) == [NOT_TRACKED]
    for path, value in (("net/netfilter/nf_conntrack_acct", "0\n"), ("net/bridge/bridge-nf-call-iptables", "1\n")):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(value)
    assert list(notes(tmp_path)) == [NOT_COUNTED]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("flows --port 0", "Invalid value for '--port'"),
        ("flows --port http", "'http' is not a valid integer"),
        ("flows --proto ftp", "Invalid value for '--proto'"),
        ("flows --often", "No such option"),
    ],
)
def test_a_bad_command_line_is_a_sentence(words: str, sentence: str) -> None:
    """Nobody is asked, and the exit code is that of a wrong command line."""
    done = CliRunner().invoke(main, words.split())

    assert (done.exit_code, sentence in done.output) == (64, True)
