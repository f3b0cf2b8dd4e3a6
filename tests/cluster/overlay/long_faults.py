"""Faults of half a minute, each with traffic running and its loss counted: ``make test-cluster``.

Containers ping each other ten times a second over both families; what the fault does not cut loses nothing.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import permutations

import pytest

from tests.cluster.overlay.cluster import Box, Cluster, pinging
from tests.engine.lab.process import wait_until
from tests.engine.lab.service import PYNET
from tests.engine.lab.shell import CommandFailed

FAULT = 30.0  # seconds
Losses = dict[tuple[str, str], int]  # from which host to which address: packets lost


@contextmanager
def traffic(cluster: Cluster) -> Iterator[Losses]:
    """Let the first container of each host ping those of the others while the block runs."""
    lost: Losses = {}
    first = {node.host.name: node.boxes[0] for node in cluster.nodes}
    with ExitStack() as stack:
        running = {
            (one, two): [stack.enter_context(pinging(first[one], address)) for address in addresses(first[two])]
            for one, two in permutations(first, 2)
        }
        yield lost
    lost |= {pair: sum(loss()[1] for loss in losses) for pair, losses in running.items()}
    sent = min(loss()[0] for losses in running.values() for loss in losses)
    print(f"{sent} packets or more a flow; lost: { {pair: number for pair, number in lost.items() if number} }")


def addresses(box: Box) -> tuple[str, str]:
    """Return both addresses of a container."""
    return box.ip, box.ip6


def nothing_lost(lost: Losses, *, but: str = "") -> bool:
    """Whether only flows from or to host ``but`` lost packets."""
    return not {pair for pair, number in lost.items() if number and but not in pair}


def test_one_server_of_the_store_is_killed(blue: Cluster) -> None:
    """Containers come and go as before, on all hosts."""
    with traffic(blue) as lost:
        blue.underlay.servers[0].kill()
        for node in blue.nodes:
            node.remove(node.run("blue"))
            node.run("blue")
        blue.wait("blue", 20)
        blue.underlay.servers[0].start()
        blue.underlay.wait()

    assert nothing_lost(lost)
    blue.wait("blue")


def test_all_servers_of_the_store_are_away(blue: Cluster) -> None:
    """Containers are stopped meanwhile, and new ones start soon after."""
    doomed = blue.nodes[1].run("blue")
    blue.wait("blue")
    with traffic(blue) as lost:
        for server in blue.underlay.servers:
            server.kill()
        time.sleep(FAULT / 2)
        blue.nodes[1].remove(doomed)
        time.sleep(FAULT / 2)
        blue.underlay.start()
        wait_until(lambda: blue.settled("blue"), "the removal to be carried out", 20)
        blue.nodes[2].run("blue")
        blue.wait("blue", 20)

    assert nothing_lost(lost)


def test_a_host_is_cut_off(blue: Cluster) -> None:
    """A host that was cut off is repaired when it is back, with the changes on both sides."""
    stays, goes = blue.nodes[0].run("blue"), blue.nodes[2].run("blue")
    blue.wait("blue")
    with traffic(blue) as lost:
        blue.underlay.switch.cut("h3")
        blue.nodes[0].run("blue")
        blue.nodes[0].remove(stays)
        blue.nodes[2].remove(goes)
        time.sleep(FAULT)
        blue.underlay.switch.mend("h3")
        blue.wait("blue", 30)

    assert nothing_lost(lost, but="h3")
    assert blue.nodes[2].boxes[0].reaches(blue.nodes[0].boxes[-1].ip)


def test_pynet_is_killed(blue: Cluster) -> None:
    """While pynet is dead for half a minute the kernel goes on; afterwards the tables catch up."""
    with traffic(blue) as lost:
        blue.nodes[0].pynet.kill()
        blue.nodes[1].run("blue")
        blue.nodes[2].remove(blue.nodes[2].run("blue"))
        time.sleep(FAULT)
        blue.nodes[0].pynet.start()
        blue.wait("blue", 20)

    assert nothing_lost(lost)


def test_an_engine_is_killed(blue: Cluster) -> None:
    """The containers of that host talk on without it, and the others' never notice."""
    node = blue.nodes[0]
    with traffic(blue) as lost:
        node.host.kill_engine()
        time.sleep(5)
        late = blue.nodes[1].run("blue")
        wait_until(lambda: blue.nodes[2].boxes[0].reaches(late.ip), "a new container to be reached", 5)

    assert nothing_lost(lost)
    node.host.start_engine("--live-restore")
    node.clear()
    node.run("blue")
    blue.wait("blue", 20)


def test_a_container_moves_with_its_address(blue: Cluster) -> None:
    """There and back, five times; no other flow notices."""
    moving = blue.nodes[1].run("blue")
    with traffic(blue) as lost:
        for target in (2, 0, 1, 2, 0):
            source = next(node for node in blue.nodes if moving in node.boxes)
            source.remove(moving)
            moving = blue.nodes[target].run("blue", "--ip", moving.ip)
            asker = blue.nodes[(target + 1) % 3].boxes[0]
            wait_until(lambda: asker.reaches(moving.ip), "the container to answer from its new host", 2)  # noqa: B023
            blue.wait("blue")

    assert nothing_lost(lost)


def test_a_host_dies_and_its_address_is_taken_over(blue: Cluster) -> None:
    """Refused while its lease lasts; forgotten, its container starts elsewhere and is reached, also when it returns."""
    dead, taker, asker = blue.nodes[2], blue.nodes[1], blue.nodes[0].boxes[0]
    wanted = dead.boxes[0].ip
    dead.pynet.kill()
    blue.underlay.switch.cut("h3")
    complaint = taker.host.docker.fails("run", "-d", "--network", "blue", "--ip", wanted, "busybox")
    assert wanted in complaint
    time.sleep(FAULT + 5)
    taker.host.exec("env", f"PYNET_STORE={blue.underlay.store}", PYNET[0], "cluster", "forget", "h3")
    moved = taker.run("blue", "--ip", wanted)
    wait_until(lambda: asker.reaches(moved.ip), "the container to answer from its new host", 2)
    blue.underlay.switch.mend("h3")
    dead.pynet.start()
    time.sleep(5)

    assert asker.reaches(moved.ip)
    assert set(blue.leads(blue.nodes[0], "blue", moved, taker)) <= set(blue.nodes[0].tables("blue"))


def test_the_status_tells_what_is_wrong(blue: Cluster) -> None:
    """Nothing while all is well; an entry that is missing, and a host that does not renew its lease."""
    node = blue.nodes[0]
    command = ("env", f"PYNET_STORE={blue.underlay.store}", PYNET[0], "cluster", "status", "--json")
    assert json.loads(node.host.exec(*command))["problems"] == []
    node.pynet.kill()
    cut = blue.cut_way(node, "blue", blue.nodes[1].boxes[0])
    with pytest.raises(CommandFailed) as failure:
        node.host.exec(*command)
    node.pynet.start()
    blue.wait("blue")

    problems = json.loads(failure.value.stdout)["problems"]
    assert [problem for problem in problems if f"lacks the entry {cut}" in problem]


@pytest.mark.parametrize("hosts", [2])
def test_a_small_subnet_is_exhausted_exactly(cluster: Cluster, hosts: int) -> None:
    """Of the fourteen addresses of a /28 the gateway has one; thirteen containers start, and the next is refused."""
    nodes = cluster.nodes[:hosts]
    for node in nodes:
        node.create("small", "--subnet", "10.79.0.0/28")
    try:
        for number in range(13):
            nodes[number % hosts].run("small")
        complaint = nodes[0].host.docker.fails("run", "-d", "--network", "small", "busybox")
        assert "10.79.0.0/28" in complaint
        assert len({box.ip for node in nodes for box in node.boxes}) == 13
    finally:
        for node in nodes:
            node.clear()
            node.host.docker("container", "prune", "-f")
            node.host.docker("network", "rm", "small")
