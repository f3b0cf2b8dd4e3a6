"""A narrower policy ends open connections that it forbids, and leaves those that it allows."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from netlink.nft_elements import Element
from plugin.firewall.sets import FLOWS
from plugin.protocol.change_messages import SetOptions
from tests.bare import PYTHON
from tests.kernel.container import Container, sh
from tests.kernel.probing import Asking, Question, answering
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

TALKER = str(Path(__file__).with_name("talker.py"))
BOX = f"{2:02x}" * 32
Talk = subprocess.Popen[str]


class Talks:
    """Connections that stay open, and their servers."""

    def __init__(self) -> None:
        self._started: list[Talk] = []

    def start(self, box: Container | None, *words: str) -> Talk:
        """Start a server or a talker in a container, or on the host, and wait until it is ready."""
        return self.start_all([(box, *words)])[0]

    def start_all(self, asked: Sequence[tuple[Container | None, *tuple[str, ...]]]) -> list[Talk]:
        """Start several at once."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        new: list[Talk] = []
        for box, *words in asked:
            enter = ["nsenter", "-n", "-t", str(box.pid), "--"] if box else []
            new.append(subprocess.Popen([*enter, *PYTHON, TALKER, *words], text=True, **pipes))  # type: ignore[call-overload]
            self._started.append(new[-1])
        assert {_line(one) for one in new} <= {"ready", "open"}
        return new

    def end(self) -> None:
        """End all of them."""
        for one in self._started:
            one.kill()
            one.communicate()


def _line(talk: Talk) -> str:
    assert talk.stdout is not None
    return talk.stdout.readline().strip()


def say(*talks: Talk) -> list[str]:
    """Send a line in each connection, all at once, and return what comes back."""
    for talk in talks:
        assert talk.stdin is not None
        talk.stdin.write("hello\n")
        talk.stdin.flush()
    return [_line(talk) for talk in talks]


@pytest.fixture
def talks() -> Iterator[Talks]:
    """No connection at first."""
    talks = Talks()
    yield talks
    talks.end()


def test_a_narrower_policy_ends_what_it_forbids(pynet: Pynet, two: tuple[Container, Container], talks: Talks) -> None:
    """Connections out, to the host and from a client of a published port are reset; allowed ones go on."""
    box, outside = two
    connect(outside)
    pynet.driver.create_network(rq.network())
    reference = pynet.attach(box, rq.NETWORK_ID, 2, BOX)
    pynet.publish(reference, "8080")
    for place, port in ((outside, "7001"), (outside, "7002"), (None, "7003"), (box, "7777")):
        talks.start(place, "serve", port)
    web, dns, host = (
        talks.start(box, "talk", *to) for to in (("192.0.2.9", "7001"), ("192.0.2.9", "7002"), ("10.9.0.1", "7003"))
    )
    client = talks.start(outside, "talk", "192.0.2.1", "8080")
    assert say(web, dns, host, client) == ["hello"] * 4

    options = {"egress": "deny", "allow_out": "tcp/7001", "publish_from": "198.51.100.0/24"}
    pynet.live.set_options(SetOptions(rq.NETWORK_ID, BOX, options))

    assert say(web, dns, host, client) == ["hello", "ended", "ended", "ended"]


CLIENT, SERVER = BOX, f"{3:02x}" * 32
OWN = {"client": ("10.9.0.2", "fd00:9::2"), "server": ("10.9.0.3", "fd00:9::3")}
STREAMS = [  # who opens it, to whom, to which port, and from which ones, by IP version
    ("client", "server", 7001, (0, 0)),
    ("client", "server", 7002, (0, 0)),
    ("client", "server", 50051, (20, 21)),
    ("server", "client", 7003, (0, 0)),
    ("server", "client", 50051, (0, 0)),
]
NARROWINGS = {  # the change, of whom, and the streams that it ends; ports of the third one show no client
    "from": (SERVER, {"from": "tcp/7001, tcp/50051"}, [1]),
    "from nobody": (SERVER, {"from": "none"}, [0, 1]),
    "egress": (CLIENT, {"egress": "deny", "allow_out": "tcp/7001 @ 10.9.0.0/24, tcp/7001 @ fd00:9::/64"}, [1]),
    "group": (CLIENT, {"group": "other"}, [1]),
    "network": ("", {"from": "tcp/7001"}, [3, 4]),
    "wider": (SERVER, {"from": "any"}, []),
}


@pytest.fixture
def neighbours(pynet: Pynet, two: tuple[Container, Container], talks: Talks) -> Mapping[str, Container]:
    """A client and a server on one network, which both serve; the server takes port 7002 from a group alone."""
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64"))
    pynet.attach(two[0], rq.NETWORK_ID, 2, CLIENT, group="app")
    pynet.attach(two[1], rq.NETWORK_ID, 3, SERVER)
    talks.start(two[0], "serve", "7003", "50051")
    talks.start(two[1], "serve", "7001", "7002", "50051")
    return {"client": two[0], "server": two[1]}


def rule(pynet: Pynet, whose: str, **options: str) -> None:
    """Change the policy of an endpoint, or of the network."""
    pynet.live.set_options(SetOptions(rq.NETWORK_ID, whose, options))


@pytest.mark.parametrize(("narrowing", "filtered"), [*((name, 0) for name in NARROWINGS), ("from", 1), ("egress", 1)])
def test_neighbours_end_what_a_narrower_policy_forbids(
    pynet: Pynet, neighbours: Mapping[str, Container], talks: Talks, narrowing: str, filtered: int
) -> None:
    """Within a network too, in both directions and IP versions, with br_netfilter and without."""
    sh(f"sysctl -qw net.bridge.bridge-nf-call-iptables={filtered} net.bridge.bridge-nf-call-ip6tables={filtered}")
    rule(pynet, SERVER, **{"from": "tcp/7001, app tcp/7002, tcp/50051"})
    asked = [
        (neighbours[who], "talk", OWN[whom][number], str(port), str(own[number]))
        for number in (0, 1)
        for who, whom, port, own in STREAMS
    ]
    streams = talks.start_all(asked)
    assert say(*streams) == ["hello"] * 10

    whose, options, ends = NARROWINGS[narrowing]
    rule(pynet, whose, **options)

    assert say(*streams) == ["ended" if number in ends else "hello" for number in range(len(STREAMS))] * 2


def test_ended_connections_stay_ended_until_they_are_allowed_again(
    pynet: Pynet, neighbours: Mapping[str, Container], talks: Talks
) -> None:
    """Also when the rules are written anew, as a start does; then new ones pass, from ports of servers too."""
    stream = talks.start(neighbours["client"], "talk", "10.9.0.3", "7001")
    rule(pynet, SERVER, **{"from": "none"})
    assert say(stream) == ["ended"]
    sh("nft flush ruleset")
    pynet.firewall.heal()
    assert say(stream) == ["ended"]

    rule(pynet, SERVER, **{"from": "app"})
    rule(pynet, CLIENT, **{"from": "none"})
    new = [talks.start(neighbours["client"], "talk", "10.9.0.3", *ports) for ports in (["7001"], ["50051", "20"])]
    assert say(*new) == ["hello", "hello"]


def test_answers_between_neighbours_end_too(pynet: Pynet, neighbours: Mapping[str, Container]) -> None:
    """Answers to a question by UDP pass no longer, if the question is forbidden now."""
    rule(pynet, SERVER, **{"from": "udp"})
    with answering(neighbours["server"]):
        asked: list[Question] = [("udp", "", address, port) for address in OWN["server"] for port in (7777, 7778)]
        assert Asking(neighbours["client"], asked).fates() == ["passed"] * 4
        rule(pynet, SERVER, **{"from": "udp/7777"})
        left = [Element(of, packed).values[3] for of in FLOWS.values() for packed in pynet.nft.elements_of("pynet", of)]
        assert left == [7777, 7777]
        assert Asking(neighbours["client"], asked).fates() == ["passed", "lost"] * 2
