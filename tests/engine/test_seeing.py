"""Commands that show traffic, on a real engine with real traffic."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.engine.lab.outside import HOST4, OUTSIDE4, Outside
from tests.engine.lab.scene import Container, Scene, seen_from
from tests.engine.lab.service import command


@pytest.fixture
def web(pynet_scene: Scene) -> Container:
    """A container with an echo that the outside reaches at port 8080."""
    return pynet_scene.server(pynet_scene.network("--subnet", "10.47.0.0/24"), "-p", "8080:7777")


@pytest.fixture
def busy(web: Container, outside: Outside) -> Iterator[Container]:
    """The same, which the host asks all the time; the outside opened three connections."""
    for _ in range(3):
        assert seen_from(outside.exec, HOST4, "tcp", 8080)
    enter = ["nsenter", "-t", str(web.host.pid), "-n", "--"]
    pings = ["ping", "-q", "-i", "0.02", "-s", "1000", "10.47.0.2"]
    traffic = subprocess.Popen([*enter, *pings], stdout=subprocess.DEVNULL)
    yield web
    traffic.kill()
    traffic.wait()


def test_top_tells_rates_and_connections(busy: Container) -> None:
    """Both directions carry the pings, and each connection counts once; the choice is by the container's id, too."""
    identity = busy.inspect()["Id"]
    one, other = (json.loads(command(busy.host, "top", "--json", word)) for word in (busy.name, identity[:12]))
    row = one["endpoints"][0]

    assert (row["container"], row["connections"], len(other["endpoints"])) == (busy.name, 3, 1)
    assert row["in"]["bytes_per_second"] > 10_000
    assert row["out"]["packets_per_second"] > 10
    assert f"{busy.name} " in command(busy.host, "top", "--sort", "connections")


def test_flows_tell_who_talks_to_whom(busy: Container, outside: Outside) -> None:
    """A published connection has the machine outside, the container and the port of the host."""
    assert seen_from(outside.exec, HOST4, "tcp", 8080)
    rows = json.loads(command(busy.host, "flows", busy.name, "--port", "8080", "--json"))

    assert {row["from"]["address"] for row in rows} == {OUTSIDE4}
    assert {row["to"]["container"] for row in rows} == {busy.name}
    assert {(row["published"]["address"], row["proto"]) for row in rows} == {(HOST4, "tcp")}
    assert ["icmp", "host", busy.name] in [line.split()[:3] for line in command(busy.host, "flows").splitlines()]


def test_capture_shows_packets_without_entering(busy: Container) -> None:
    """A line a packet with the direction of the container, and a file that tcpdump reads."""
    lines = command(busy.host, "capture", busy.name, "icmp", "-c", "4", "--seconds", "60").splitlines()
    command(busy.host, "capture", busy.name, "-w", "/tmp/seen.pcap", "-c", "4", "--seconds", "60")

    assert {line.split(" ", 1)[1] for line in lines} == {
        "in  icmp 10.47.0.1 > 10.47.0.2 echo request length 1042",
        "out icmp 10.47.0.2 > 10.47.0.1 echo reply length 1042",
    }
    assert len(busy.host.exec("tcpdump", "-nn", "-r", "/tmp/seen.pcap").splitlines()) == 4
