"""Two engines may share one pynet: a network of one is not dead because the other hands out its subnet."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from plugin.engine.identity import NOBODY, Engines, Process, called_by
from plugin.errors import Conflict
from plugin.model.records import Network
from plugin.protocol.messages import CreateNetwork
from tests.fakes import World
from tests.unit import requests as rq

ONE, OTHER = rq.NETWORK_ID, rq.OTHER_ID


@dataclass
class FakeProcess:
    """A process that lives as long as the test says."""

    pid: int
    lives: bool = True


def network(identity: str) -> CreateNetwork:
    """A network whose subnet the engine's own address manager gave."""
    request = rq.network(identity)
    return replace(request, ipv4_data=tuple(replace(data, address_space="LocalDefault") for data in request.ipv4_data))


def known(world: World) -> list[str]:
    """The ids of the networks that there are."""
    return [item.record.id for item in world.store.list(Network)]


@pytest.fixture
def engines() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two processes in the role of engines."""
    started = [subprocess.Popen(["sleep", "600"]) for _ in range(2)]
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_a_network_of_another_engine_is_refused_and_stays(world: World, engines: list[subprocess.Popen[bytes]]) -> None:
    """A network of another living engine is not removed; the refusal names the engine's process."""
    first, second = engines
    with called_by(first.pid):
        world.driver.create_network(network(ONE))
    with called_by(second.pid), pytest.raises(Conflict, match=f"which another engine has \\(process {first.pid}\\)"):
        world.driver.create_network(network(OTHER))
    assert known(world) == [ONE]


@pytest.mark.parametrize("caller", ["the same", "nobody", "one after it"])
def test_what_an_engine_gave_up_goes_as_before(
    world: World, engines: list[subprocess.Popen[bytes]], caller: str
) -> None:
    """A superseded network is removed if its own engine asks, a restarted one, or one that cannot be told."""
    first, second = engines
    with called_by(first.pid):
        world.driver.create_network(network(ONE))
    if caller == "one after it":
        first.kill()
        first.wait()
    with called_by({"the same": first.pid, "nobody": NOBODY}.get(caller, second.pid)):
        world.driver.create_network(network(OTHER))
    assert known(world) == [OTHER]


def test_an_engine_that_was_started_again_finds_its_networks(
    world: World, engines: list[subprocess.Popen[bytes]]
) -> None:
    """A restarted engine owns a network from the moment in which it names it."""
    first, second = engines
    with called_by(first.pid):
        world.driver.create_network(network(ONE))
    first.kill()
    first.wait()
    with called_by(second.pid):
        world.driver.create_endpoint(rq.endpoint())
        world.driver.delete_endpoint(rq.ENDPOINT)
    with subprocess.Popen(["sleep", "600"]) as third, called_by(third.pid):
        with pytest.raises(Conflict, match=f"process {second.pid}"):
            world.driver.create_network(network(OTHER))
        third.kill()


def test_a_removed_network_is_nobodys(world: World, engines: list[subprocess.Popen[bytes]]) -> None:
    """Its subnet is free for any engine."""
    for process, identity in zip(engines, (ONE, OTHER), strict=True):
        with called_by(process.pid):
            world.driver.create_network(network(identity))
            world.driver.delete_network(replace(rq.NETWORK, network_id=identity))
    assert known(world) == []


def test_processes_are_remembered_while_they_live() -> None:
    """A process that reuses a pid is another one, and ended processes are forgotten."""
    found: list[FakeProcess] = []

    def find(pid: int) -> Process:
        found.append(FakeProcess(pid))
        return found[-1]  # type: ignore[return-value]

    engines = Engines(find)
    for identity, pid in (("a", 7), ("b", 7), ("c", 8)):
        with called_by(pid):
            engines.note(identity)
    assert [process.pid for process in found] == [7, 8]
    with called_by(8):
        assert [engines.other(identity) for identity in ("a", "b", "c", "d")] == [7, 7, 0, 0]
        found[0].lives = False
        assert engines.other("a") == 0
    with called_by(7):
        engines.note("e")
    assert [process.pid for process in found] == [7, 8, 7]


def test_a_process_that_is_not_there_is_nobody() -> None:
    """A caller that cannot be seen, as in another namespace or one that has ended, owns nothing."""

    def find(_pid: int) -> Process:
        raise ProcessLookupError

    engines = Engines(find)
    with called_by(7):
        engines.note("a")
    with called_by(8):
        assert engines.other("a") == NOBODY


def test_an_engine_is_seen_beside_a_thousand_ports() -> None:
    """Each published port is a descriptor, and select(2) takes none above 1,023."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        null = stack.enter_context(Path("/dev/null").open())
        for _ in range(1100):
            stack.callback(os.close, os.dup(null.fileno()))

        assert Process(os.getpid()).lives
