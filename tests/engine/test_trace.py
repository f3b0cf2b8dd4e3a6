"""``pynet trace``, on a real engine with real traffic."""

import json
from typing import Any

import pytest

from tests.engine.lab.outside import HOST4, Outside
from tests.engine.lab.process import Process, wait_until
from tests.engine.lab.scene import Container, Scene, seen_from
from tests.engine.lab.service import PYNET, command
from tests.engine.lab.shell import CommandFailed

TABLE = "pynet-trace"


class Traces:
    """Starts traces, and reads what they printed."""

    def __init__(self, scene: Scene) -> None:
        self._host = scene.host
        self._running: list[Process] = []

    def start(self, *words: str) -> Process:
        """Start a trace and wait until the kernel marks packets."""
        self._host.log("trace").unlink(missing_ok=True)
        self._running.append(self._host.spawn("trace", PYNET[0], "trace", *words))
        wait_until(lambda: TABLE in self._host.net("nft", "list", "tables"), "the trace to mark packets")
        return self._running[-1]

    def rows(self) -> list[dict[str, Any]]:
        """Return the packets that the last trace printed as JSON."""
        wait_until(lambda: not self._running[-1].alive, "the trace to end")
        return [json.loads(line) for line in self._host.log("trace").read_text().splitlines() if line.startswith("{")]

    def tables(self) -> str:
        """Return the names of the tables that are there."""
        return self._host.net("nft", "list", "tables")

    def close(self) -> None:
        """End what runs."""
        for process in self._running:
            if process.alive:
                process.kill(all_of_it=True)


@pytest.fixture
def traces(pynet_scene: Scene) -> Any:
    """Traces that end with the test."""
    traces = Traces(pynet_scene)
    yield traces
    traces.close()


@pytest.fixture
def pair(pynet_scene: Scene) -> tuple[Container, Container, str]:
    """Two containers on two networks, and the address of the second."""
    nets = [pynet_scene.network(), pynet_scene.network()]
    web, database = (pynet_scene.container(net) for net in nets)
    return web, database, database.ip(nets[1])


def test_a_dropped_packet_is_followed_to_the_rule(traces: Traces, pair: tuple[Container, Container, str]) -> None:
    """The steps go through the bridge and the forward chain to the reason, in words; nothing is left afterwards."""
    web, database, address = pair
    traces.start(web.name, database.name, "icmp", "-n", "1")
    web.reaches(address)
    wait_until(lambda: TABLE not in traces.tables(), "the trace to end")
    text = web.host.log("trace").read_text()

    assert f"-> {database.name} ({address}) type 8 code 0" in text
    assert "inet pynet forward [who reaches whom]: oifname @bridges goto to_containers" in text
    assert "=> dropped by pynet, isolation: from outside of its network" in text


def test_a_published_port_is_followed_both_ways(traces: Traces, pynet_scene: Scene, outside: Outside) -> None:
    """A connection from outside is followed to the container, also through Docker's rules, and so are its replies."""
    net = pynet_scene.network()
    web = pynet_scene.container(net, "-p", "8080:7777")
    pynet_scene.echo(web)
    traces.start("outside", web.name, "tcp/7777", "--json", "--for", "3s", "-n", "50")
    assert seen_from(outside.exec, HOST4, port=8080)
    rows = traces.rows()

    assert {row["outcome"] for row in rows} == {"passed"}
    tables = {step["table"] for row in rows for step in row["steps"]}
    assert {"pynet", "filter"} <= tables
    assert {row["from"]["container"] for row in rows} == {web.name, ""}


def test_a_trace_that_is_killed_leaves_nothing(traces: Traces, pair: tuple[Container, Container, str]) -> None:
    """The kernel removes the tables of a trace with its process."""
    process = traces.start(pair[0].name, "outside")
    process.kill(all_of_it=True)

    wait_until(lambda: TABLE not in traces.tables(), "the tables to be gone")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("trace nobody outside", "there is no container 'nobody', and it is no address"),
        ("trace host outside tcp/0", "'tcp/0' is no service; write tcp/80"),
        ("trace host outside smtp", "'smtp' is no service; write tcp/80"),
        ("trace host outside --for ever", "--for: 'ever' is no span of time such as 10s or 2m"),
        ("trace host outside -n 0", "0 is not in the range"),
        ("trace host 192.0.2.77 --for 1s", "no packet of this flow was seen within 1s"),
    ],
)
def test_a_bad_word_is_refused_with_a_sentence(pynet_scene: Scene, words: str, sentence: str) -> None:
    """Nothing is printed but the sentence, and nothing is left."""
    with pytest.raises(CommandFailed, match=sentence):
        command(pynet_scene.host, *words.split())
    assert TABLE not in pynet_scene.host.net("nft", "list", "tables")
