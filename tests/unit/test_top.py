"""``pynet top``: rates between two answers of pynet, and the choice of lines."""

import io
from os import terminal_size
from typing import Any

import pytest
from click.testing import CliRunner

from cli.client.serving import NotServing
from cli.commands.name_book import NameBook
from cli.commands.selection import Selection, select
from cli.commands.top import NAMES_EVERY, CurrentNames, as_text, changes, draw, rates, summary
from cli.engine.inventory import Inventory, ListedContainer
from cli.main import main
from cli.screen import Screen
from plugin.engine.names import Known

NET, OTHER, END, NEIGHBOUR = "a1" * 32, "b1" * 32, "e0" * 32, "e1" * 32
NAMES = Known({NET: "blue", OTHER: "red"}, {END: "web", NEIGHBOUR: "db"})
EVERYTHING = Selection()


def counts(of_bytes: int, packets: int = 0, drops: int = 0) -> dict[str, int]:
    """Return counts of one direction."""
    return {"Bytes": of_bytes, "Packets": packets, "Drops": drops, "Errors": 0}


def port(host: str, connections: int | None) -> dict[str, Any]:
    """Return port 80, published on 8080."""
    to = {"ContainerIP": "10.9.0.2", "ContainerPort": 80}
    return {"Proto": "tcp", "HostIP": host, "HostPort": 8080, **to, "Connections": connections}


def end(identity: str, received: int, sent: int, *ports: dict[str, Any], drops: int = 0) -> dict[str, Any]:
    """Return an endpoint of a reply."""
    ways = {"In": counts(received, received // 100, drops), "Out": counts(sent, sent // 100)}
    return {"ID": identity, "Link": "pnhe", **ways, "Ports": list(ports)}


def reply(time: float, *ends: dict[str, Any], other: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """Return a reply to the verb Traffic."""
    networks = [{"ID": NET, "Endpoints": list(ends)}, {"ID": OTHER, "Endpoints": list(other)}]
    return {"Time": time, "Networks": networks}


def test_rates_are_those_of_the_time_between_two_answers() -> None:
    """A new endpoint, and one whose container was restarted, begin at none instead of with their whole past."""
    before = reply(10.0, end(END, 1000, 500, port("0.0.0.0", 3), drops=1))
    after = reply(12.0, end(END, 5000, 700, port("0.0.0.0", 9), drops=2), end(NEIGHBOUR, 9000, 0))
    web, db = rates(before, after, NAMES, EVERYTHING, "name")["endpoints"][::-1]

    assert (web["in"]["bytes_per_second"], web["out"]["bytes_per_second"]) == (2000.0, 100.0)
    assert (web["in"]["packets_per_second"], web["in"]["drops_per_second"]) == (20.0, 0.5)
    assert (web["connections"], web["connections_per_second"]) == (9, 3.0)
    assert (db["in"]["bytes"], db["in"]["bytes_per_second"], db["connections"]) == (9000, 0.0, None)
    again = rates(after, reply(13.0, end(END, 10, 10)), NAMES, EVERYTHING, "name")["endpoints"][0]
    assert again["in"]["bytes_per_second"] == 0


def test_a_port_of_both_families_is_one_line() -> None:
    """Relayed ports have no count of their own; names that nobody knows are ids; a link that is gone has a dash."""
    one = end(END, 2_500_000, 0, port("0.0.0.0", 4), port("::", None), port("127.0.0.1", None))
    gone = {**end(NEIGHBOUR, 0, 0), "In": None, "Out": None}
    document = rates(reply(0.0), reply(1.0, one, gone), Known(), EVERYTHING, "name")
    lines = [line.split() for line in as_text(document).splitlines()]

    assert lines[1:] == [
        ["e0" * 6, "a1" * 6, "0", "B/s", "0", "B/s", "0", "0", "0", "0", "4"],
        ["8080->80/tcp", "0", "4"],
        ["127.0.0.1:8080->80/tcp", "-", "-"],
        ["e1" * 6, "a1" * 6, "-", "-", "-", "-", "0", "-", "-"],
    ]
    assert summary(document) == "2 endpoints, in 0 B/s, out 0 B/s"


@pytest.mark.parametrize(
    ("sort", "first"), [("name", "db"), ("bytes", "web"), ("packets", "web"), ("drops", "db"), ("connections", "web")]
)
def test_lines_are_in_the_wanted_order(sort: str, first: str) -> None:
    """The busiest line is first, and lines that are the same are in the order of their names."""
    before = reply(0.0, end(END, 0, 0, port("::", 0)), end(NEIGHBOUR, 0, 0))
    after = reply(1.0, end(END, 900, 0, port("::", 5)), end(NEIGHBOUR, 100, 0, drops=7))

    rows = rates(before, after, NAMES, EVERYTHING, sort)["endpoints"]
    assert rows[0]["container"] == first


def test_chosen_lines_are_printed_alone() -> None:
    """Those of the containers and the networks that the user named."""
    after = reply(1.0, end(END, 0, 0), other=(end(NEIGHBOUR, 0, 0),))
    for chosen, ends in ((Selection(networks=frozenset({OTHER})), [NEIGHBOUR]), (Selection(), [NEIGHBOUR, END])):
        rows = rates(after, after, NAMES, chosen, "name")["endpoints"]
        assert sorted(row["endpoint"] for row in rows) == sorted(ends)


def test_a_container_stays_chosen_after_its_restart() -> None:
    """Its next endpoint has another id, and the same name."""
    box = ListedContainer("c0" * 32, "web", runs=True, endpoints={NET: END})
    found = select(["web"], NameBook(reply(0.0, end(END, 0, 0))["Networks"], Inventory({}, [box])))
    names = Known(NAMES.networks, {NEIGHBOUR: "web"})

    assert rates(reply(0.0), reply(1.0, end(NEIGHBOUR, 0, 0)), names, found, "name")["endpoints"]


def test_the_engine_is_asked_for_new_names_now_and_then() -> None:
    """A container that comes while the table is drawn gets its name; one that never has a name costs little."""
    asked: list[int] = []
    names = CurrentNames(lambda: asked.append(0) or NAMES)  # type: ignore[func-returns-value]
    for second in range(20):
        names.about(reply(100.0 + second, end("ff" * 32, 0, 0)))

    assert len(asked) == 1 + 20 / NAMES_EVERY
    names.about(reply(200.0, end(END, 0, 0)))
    assert len(asked) == 1 + 20 / NAMES_EVERY


def test_a_restart_of_pynet_is_waited_for() -> None:
    """Meanwhile there is no pair of answers, and the next one spans it."""
    answers: list[Any] = [reply(1.0), NotServing(""), NotServing(""), reply(4.0)]

    def read() -> Any:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    before, after = next(changes(read, lambda: None))
    assert (before["Time"], after["Time"]) == (1.0, 4.0)


def test_a_table_is_drawn_over_the_one_before() -> None:
    """It fits the terminal, and the cursor is shown again however the block ends."""
    out = io.StringIO()
    document = rates(reply(0.0), reply(1.0, end(END, 0, 0), end(NEIGHBOUR, 0, 0)), NAMES, EVERYTHING, "name")
    with pytest.raises(KeyboardInterrupt), Screen(out, lambda: terminal_size((20, 4))) as screen:
        draw(screen, document, colour=False)
        draw(screen, document, colour=True)
        raise KeyboardInterrupt

    first, second = out.getvalue().split("\x1b[3A")
    assert [len(line) for line in first.splitlines()[2:]] == [20, 20]
    assert "\x1b[1mCONTAINER" in second
    assert out.getvalue().endswith("\x1b[?25h")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("top --interval 0", "Invalid value for '--interval'"),
        ("top --interval soon", "'soon' is not a valid float"),
        ("top --sort colour", "Invalid value for '--sort'"),
        ("top --often", "No such option"),
    ],
)
def test_a_bad_command_line_is_a_sentence(words: str, sentence: str) -> None:
    """Nobody is asked, and the exit code is that of a wrong command line."""
    done = CliRunner().invoke(main, words.split())

    assert (done.exit_code, sentence in done.output) == (64, True)
