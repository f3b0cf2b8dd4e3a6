"""A swarm of two nodes with engines of different versions, and pynet as a managed plugin on both."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from tests.cluster.overlay.underlay import LINK, Underlay
from tests.engine.lab import image
from tests.engine.lab.engines import obtain
from tests.engine.lab.host import Host
from tests.engine.lab.managed import NAME, Managed, make_plugin
from tests.engine.lab.process import wait_until
from tests.engine.lab.shell import CommandFailed
from tests.engine.lab.suites import Unavailable

MANAGER, WORKER = "28.5", "20.10"
WORDS = ("--detach", "--endpoint-mode", "dnsrr", "--mode", "global", "--stop-grace-period", "0s", "--no-resolve-image")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Host]]:
    """A manager and a worker."""
    try:
        engines = [obtain(label) for label in (MANAGER, WORKER)]
    except Unavailable as why:
        pytest.skip(f"a swarm of {MANAGER} and {WORKER}: {why}")
    with Underlay(tmp_path_factory.mktemp("store")) as underlay, ExitStack() as stack, ThreadPoolExecutor() as pool:
        store = pool.submit(underlay.start)
        hosts = [stack.enter_context(Host(engine, f"node{number}")) for number, engine in enumerate(engines, 1)]
        addresses = [underlay.switch.plug(host.name, host.pid, number) for number, host in enumerate(hosts, 1)]
        list(pool.map(_start, hosts))
        make_plugin(hosts[0], "build")
        store.result()
        settings = {"PYNET_SCOPE": "swarm", "PYNET_STORE": underlay.store, "PYNET_ADVERTISE": LINK}
        list(pool.map(lambda host: Managed(host, settings).start(), hosts))
        _join(hosts, addresses)
        yield hosts


def _start(host: Host) -> None:
    host.start_engine()
    image.load(host.docker)


def _join(hosts: list[Host], addresses: list[str]) -> None:
    one, two = addresses
    hosts[0].docker("swarm", "init", "--advertise-addr", one, "--listen-addr", one)
    token = hosts[0].docker("swarm", "join-token", "-q", "worker")
    hosts[1].docker("swarm", "join", "--token", token, "--advertise-addr", two, f"{one}:2377")


@pytest.fixture
def fish(nodes: list[Host]) -> Iterator[list[Host]]:
    """The nodes, with a service of one task each on the network fish, which go afterwards."""
    manager = nodes[0].docker
    manager("network", "create", "--driver", NAME, "--attachable", "--subnet", "10.88.0.0/24", "fish")
    try:
        manager("service", "create", *WORDS, "--name", "web", "--network", "fish", image.NAME, "sleep", "1d")
        wait_until(lambda: all(_tasks(node) for node in nodes), "a task on each node", 60)
        yield nodes
    finally:
        for words in (("service", "rm", "web"), ("network", "rm", "fish")):
            wait_until(partial(_went, manager, *words), " ".join(words), 60)
        wait_until(lambda: not any(_links(node) for node in nodes), "the links to go", 60)


def _went(docker: Callable[..., str], *words: str) -> bool:
    try:
        docker(*words)
    except CommandFailed as error:
        return "not found" in error.stderr
    return True


def _tasks(node: Host) -> list[str]:
    return node.docker("ps", "--quiet", "--filter", "label=com.docker.swarm.service.name=web").split()


def _links(node: Host) -> list[str]:
    return [line for line in node.net("ip", "-o", "link").splitlines() if ": pn" in line]


def _address(node: Host) -> str:
    found: dict[str, Any] = node.docker.inspect("container", _tasks(node)[0])
    return str(found["NetworkSettings"]["Networks"]["fish"]["IPAddress"])


def _reaches(node: Host, name: str) -> bool:
    try:
        node.docker("exec", _tasks(node)[0], "ping", "-c", "1", "-w", "2", name)
    except CommandFailed:
        return False
    return True


def test_tasks_reach_each_other_by_address_and_by_name(fish: list[Host]) -> None:
    """Tasks of a service on two nodes with engines of two versions share a network that a manager made."""
    here, there = fish
    wait_until(lambda: _reaches(here, _address(there)) and _reaches(there, _address(here)), "tasks to be reached", 60)
    wait_until(lambda: _reaches(there, "tasks.web"), "the name of the service", 60)


def test_ipv6_is_refused_by_the_engine(nodes: list[Host]) -> None:
    """Such a network has no driver, and the leader's log tells why; pynet is not asked."""
    manager = nodes[0].docker
    identity = manager("network", "create", "--driver", NAME, "--ipv6", "--subnet", "fd89::/64", "six").strip()
    try:
        wait_until(lambda: any(identity in line for line in _complaints(nodes[0])), "the engine's complaint", 30)
        (line,) = [line for line in _complaints(nodes[0]) if identity in line]
        assert "cannot find address pool for poolID:fd89::/64" in line
    finally:
        wait_until(partial(_went, manager, "network", "rm", "six"), "the network to go", 60)


def _complaints(node: Host) -> list[str]:
    lines = node.log("dockerd").read_text(errors="replace").splitlines()
    return [line for line in lines if "Failed allocation for network" in line]
