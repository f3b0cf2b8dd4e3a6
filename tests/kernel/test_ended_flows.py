"""A narrower policy ends open connections that it forbids, and leaves those that it allows."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.protocol.change_messages import SetOptions
from tests.kernel.container import Container
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
        enter = ["nsenter", "-n", "-t", str(box.pid), "--"] if box else []
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._started.append(subprocess.Popen([*enter, sys.executable, TALKER, *words], text=True, **pipes))  # type: ignore[call-overload]
        assert _line(self._started[-1]) in {"ready", "open"}
        return self._started[-1]

    def end(self) -> None:
        """End all of them."""
        for one in self._started:
            one.kill()
            one.communicate()


def _line(talk: Talk) -> str:
    assert talk.stdout is not None
    return talk.stdout.readline().strip()


def says(talk: Talk) -> str:
    """Send a line and return what comes back."""
    assert talk.stdin is not None
    talk.stdin.write("hello\n")
    talk.stdin.flush()
    return _line(talk)


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
    assert [says(talk) for talk in (web, dns, host, client)] == ["hello"] * 4

    options = {"egress": "deny", "allow_out": "tcp/7001", "publish_from": "198.51.100.0/24"}
    pynet.live.set_options(SetOptions(rq.NETWORK_ID, BOX, options))

    assert [says(talk) for talk in (web, dns, host, client)] == ["hello", "ended", "ended", "ended"]
