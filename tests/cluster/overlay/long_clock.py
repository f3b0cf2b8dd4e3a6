"""Hosts whose clocks are wrong, or jump, as their pynets see them (``wrong_clock.c``): for ``make test-cluster``."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.overlay.cluster import Cluster, Node
from tests.cluster.overlay.conftest import SUBNETS
from tests.cluster.overlay.underlay import Underlay
from tests.engine.lab.engines import Engine
from tests.engine.lab.process import wait_until
from tests.engine.lab.service import command
from tests.engine.lab.shell import CommandFailed, run

AFTER = 31  # seconds until a takeover, besides the 30 of a lease
CLOCK = "/run/clock"  # file of a host: by how many seconds its pynet's clock is ahead
SOURCE = Path(__file__).with_name("wrong_clock.c")
OPTIONS = (*SUBNETS, "-o", "pynet.vni=77", "-o", f"pynet.takeover=after {AFTER}s")


@pytest.fixture
def site(cluster_engine: Engine, tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes; the clock of the second is 400 days ahead, that of the third a day behind."""
    if shutil.which("cc") is None:
        pytest.skip("NOT TESTED: this machine has no C compiler for wrong_clock.c")
    with Underlay(tmp_path) as underlay:
        underlay.start()
        env = {"LD_PRELOAD": "/export/wrong_clock.so", "WRONG_CLOCK": CLOCK}
        with Cluster(cluster_engine, underlay, env=env) as cluster:
            for node, days in zip(cluster.nodes, (0, 400, -1), strict=True):
                run("cc", "-shared", "-fPIC", "-o", node.host.path(env["LD_PRELOAD"]), SOURCE)
                set_clock(node, days)
                node.pynet.restart()
            with cluster.inhabited("blue", *OPTIONS):
                yield cluster


def set_clock(node: Node, days: int) -> None:
    """Set the clock of a host's pynet by so many days ahead."""
    node.host.path(CLOCK).write_text(str(days * 86400))


def status(node: Node) -> dict[str, Any]:
    """Return what ``pynet cluster status`` says on a host."""
    try:
        shown = command(node.host, "cluster", "status", "--json")
    except CommandFailed as error:
        shown = error.stdout
    found: dict[str, Any] = json.loads(shown)
    return found


def days_ahead(node: Node) -> int:
    """Return by how many days a host's pynet is ahead, by the last line of its log."""
    stamps = re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", node.pynet.log.read_text())
    ahead = datetime.fromisoformat(f"{stamps[-1]}+00:00") - datetime.now(UTC)
    return round(ahead / timedelta(days=1))


def test_wrong_clocks_change_nothing(site: Cluster) -> None:
    """Leases last, nobody is taken over while it lives, and a dead host is in its time, whatever a clock says."""
    right, ahead, behind = site.nodes
    assert {node.host.name: days_ahead(node) for node in site.nodes} == {"h1": 0, "h2": 400, "h3": -1}
    time.sleep(AFTER + 35)  # longer than a lease, and than what the takeover waits for
    assert all(status(node)["problems"] == [] for node in site.nodes)
    assert all(one.boxes[0].reaches(two.boxes[0].ip) for one in site.nodes for two in site.nodes)

    for days in (-400, 1, 0):  # and it jumps
        set_clock(behind, days)
        time.sleep(2)
        site.wait("blue")
        behind.remove(behind.run("blue"))
    assert all(status(node)["problems"] == [] for node in site.nodes)

    ahead.pynet.kill()
    killed = time.monotonic()
    wait_until(lambda: any("has released" in each for each in status(right)["problems"]), "the takeover", 120)
    print(f"taken over after {time.monotonic() - killed:.0f} s")
    assert AFTER <= time.monotonic() - killed < AFTER + 60
    ahead.pynet.start()
    wait_until(lambda: len(status(right)["hosts"]) == 3 and status(right)["problems"] == [], "the return", 30)
