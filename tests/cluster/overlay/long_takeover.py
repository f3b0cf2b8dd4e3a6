"""Takeovers with real engines, and how long they take: ``make test-cluster``."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.overlay.cluster import Box, Cluster, Node, pinging
from tests.cluster.overlay.conftest import SUBNETS
from tests.cluster.overlay.test_names import found, leads_to
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import PROBE
from tests.engine.lab.service import command
from tests.engine.lab.shell import CommandFailed

AFTER = 31  # seconds; a host counts as dead after 30
REPAIR = Path(__file__).with_name("repair.py")


@pytest.fixture
def mortal(cluster: Cluster) -> Iterator[Cluster]:
    """The nodes with the network blue, which takes over addresses of dead hosts, and one container each."""
    with cluster.inhabited("blue", *SUBNETS, "-o", "pynet.vni=77", "-o", f"pynet.takeover=after {AFTER}s"):
        yield cluster


def problems(cluster: Cluster) -> list[str]:
    """Return what ``pynet cluster status`` complains about on the first host."""
    try:
        shown = command(cluster.nodes[0].host, "cluster", "status", "--json")
    except CommandFailed as error:
        shown = error.stdout
    return [str(problem) for problem in json.loads(shown)["problems"]]


def test_a_killed_host_is_taken_over(mortal: Cluster) -> None:
    """Its address and its name start elsewhere by themselves; when it returns, its own container is silent."""
    asker_node, taker, dead = mortal.nodes
    asker, lost, beside = asker_node.boxes[0], dead.boxes[0], dead.run("blue")
    mortal.wait("blue")
    dead.pynet.kill()
    mortal.underlay.switch.cut("h3")
    killed = time.monotonic()
    with pytest.raises(CommandFailed):
        taker.run("blue", "--ip", lost.ip)
    taker.host.docker("rm", "-f", taker.names.pop())
    wait_until(lambda: any("takes over its addresses in" in each for each in problems(mortal)), "a countdown", 60)
    counting = time.monotonic() - killed
    print("after", round(counting), "s:", next(each for each in problems(mortal) if "takes over" in each))
    moved = _start(mortal, lost)
    wait_until(lambda: asker.reaches(moved.ip) and asker.reaches(moved.ip6), "the address to answer elsewhere", 5)
    reached = time.monotonic() - killed
    wait_until(lambda: leads_to(asker_node, moved.name, moved), "its name", 20)
    print(f"killed 0 s, countdown {counting:.1f} s, reached elsewhere {reached:.1f} s")
    assert not found(asker_node, lost.name)
    with pinging(asker, moved.ip) as loss:
        mortal.underlay.switch.mend("h3")
        dead.pynet.start()
        _returns(dead, lost, beside, asker)
        _identify(moved, beside)
    print("pings to the new container while the old host returned (sent, lost):", loss())
    assert loss()[1] == 0


def test_a_host_dies_with_its_engine(mortal: Cluster) -> None:
    """Another host takes over; the containers that went on there stay closed past the engine's and pynet's return."""
    asker, (_, _, dead) = mortal.nodes[0].boxes[0], mortal.nodes
    lost, beside = dead.boxes[0], dead.run("blue")
    mortal.wait("blue")
    _die(mortal)
    moved = _start(mortal, lost)
    wait_until(lambda: asker.reaches(moved.ip) and asker.reaches(moved.ip6), "the address to answer elsewhere", 5)
    with pinging(asker, moved.ip) as loss:
        mortal.underlay.switch.mend("h3")
        dead.host.start_engine("--live-restore")
        dead.pynet.start()
        _returns(dead, lost, beside, asker)
        _identify(moved, beside)
    print("pings to the new container while the old host returned with its engine (sent, lost):", loss())
    assert loss()[1] == 0


def test_containers_of_a_host_that_was_off_do_not_start_with_lost_addresses(mortal: Cluster) -> None:
    """The engine comes back without them; one whose address is elsewhere is refused until it is free there."""
    (first, taker, dead) = mortal.nodes
    lost = dead.boxes[0]
    _die(mortal)
    moved = _start(mortal, lost)
    mortal.underlay.switch.mend("h3")
    dead.pynet.start()
    dead.host.start_engine()  # ends the containers that it finds
    assert lost.ip in dead.host.docker.fails("run", "-d", "--network", "blue", "--ip", lost.ip, "busybox")
    assert first.boxes[0].reaches(moved.ip)
    taker.remove(moved)
    dead.clear()
    back = dead.run("blue", "--ip", lost.ip)
    wait_until(lambda: first.boxes[0].reaches(back.ip), "the address to answer on its first host again", 10)
    mortal.wait("blue", 20)


def _die(cluster: Cluster) -> None:
    """End the third host as a loss of power does, but for its containers: pynet, the engine and the cable."""
    dead = cluster.nodes[2]
    dead.pynet.kill()
    dead.host.kill_engine()
    cluster.underlay.switch.cut("h3")


def _returns(dead: Node, lost: Box, beside: Box, asker: Box) -> None:
    """Assert that a host that is back names the ``lost`` container and keeps it silent, while that ``beside`` talks."""
    wait_until(lambda: "lost-addresses" in _doctor(dead.host), "the doctor to name the container", 60)
    wait_until(lambda: beside.reaches(asker.ip), "the other container to be back", 30)
    assert not lost.reaches(beside.ip)


def _start(cluster: Cluster, lost: Box) -> Box:
    """Start a container with the addresses of a lost one on the second host, as soon as that is possible."""
    started: list[Box] = []

    def tried() -> bool:
        taker = cluster.nodes[1]
        try:
            started.append(taker.run("blue", "--ip", lost.ip, "--ip6", lost.ip6))
        except CommandFailed:
            taker.host.docker("rm", "-f", taker.names.pop())
            time.sleep(1)
        return bool(started)

    wait_until(tried, "the address to be free", 120)
    return started[0]


def _doctor(host: object) -> list[str]:
    try:
        shown = command(host, "doctor", "--json")  # type: ignore[arg-type]
    except CommandFailed as error:
        shown = error.stdout
    return [str(finding["check"]) for finding in json.loads(shown)]


def _identify(moved: Box, beside: Box) -> None:
    """Assert that a container beside the lost one reaches the new one."""
    with moved.echo(7777):
        assert beside.net(sys.executable, PROBE, "tcp", moved.ip, "7777") == beside.ip


class Python:
    """A program in the namespace of a container; it is talked to by lines."""

    def __init__(self, box: Box, *argv: str) -> None:
        argv = (*box.enter, sys.executable, str(REPAIR), *argv)
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def hear(self) -> str:
        """Return the next line."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def say(self, line: str) -> None:
        """Send a line."""
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.communicate()


def test_a_connection_moves_with_its_container(mortal: Cluster) -> None:
    """A container moves with its address and its open connection; the other end notices a pause and nothing else."""
    client, source = mortal.nodes[0].boxes[0], mortal.nodes[1].boxes[0]
    serving, programs = Python(source, "serve", "7778"), list[Python]()
    assert serving.hear() == "ready"
    talking = Python(client, "talk", source.ip, "7778")
    try:
        for number in range(3):
            talking.say(f"before {number}")
            assert talking.hear() == f"before {number}"
        serving.say("")
        state = serving.hear()
        begin = time.monotonic()
        mortal.nodes[1].remove(source)
        moved = mortal.nodes[2].run("blue", "--ip", source.ip)
        programs.append(Python(moved, "go_on", state))
        assert programs[0].hear() == "ready"
        talking.say("after")  # earlier a new container would refuse it, which does not know the connection yet
        assert talking.hear() == "after"
        print(f"answered {time.monotonic() - begin:.2f} s after the container began to move")
    finally:
        for program in (serving, talking, *programs):
            program.end()
