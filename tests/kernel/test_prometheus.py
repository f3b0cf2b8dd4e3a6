"""A real Prometheus scrapes a served pynet, and answers every query of the dashboard with data."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.engine.lab.suites import Unavailable
from tests.kernel import prometheus
from tests.kernel.container import sh
from tests.kernel.prometheus import Prometheus, started, until
from tests.kernel.served import Served
from tests.unit.test_dashboard import RULES, alerts, queries

PORT = 9717
NETWORK, BROKEN, ENDPOINT = "a9" * 32, "b9" * 32, "e9" * 32
IDS = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
BINDING = {"Proto": 6, "Port": 80, "HostPort": 8080, "HostPortEnd": 8080, "IP": "", "HostIP": ""}
CLUSTER = "pynet_cluster_"  # metrics of hosts that share a store, which this one does not
FORGED = bytes.fromhex("ffffffffffff0200000000990800") + bytes(46)


@pytest.fixture
def tools() -> Path:
    """The folder with Prometheus' programs."""
    try:
        return prometheus.obtain()
    except Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture
def scraped(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prometheus]:
    """A Prometheus that has scraped a pynet on which everything happened that metrics tell of."""
    monkeypatch.setenv("PYNET_METRICS", str(PORT))
    served = Served(tmp_path)
    served.start()
    try:
        happen(served)
        with started(tools, tmp_path, PORT, RULES) as found:
            until(lambda: found.query('count_over_time(up{job="pynet"}[30s]) >= 3'))
            yield found
    finally:
        served.kill()


def happen(served: Served) -> None:
    """Make networks, a container with a port, traffic, a repair, a difference that stays, a refusal and a drop."""
    for network, subnet in ((NETWORK, 9), (BROKEN, 10)):
        data = [{"Pool": f"10.{subnet}.0.0/24", "Gateway": f"10.{subnet}.0.1/24"}]
        served.call("NetworkDriver.CreateNetwork", NetworkID=network, IPv4Data=data, IPv6Data=[])
    served.call("NetworkDriver.CreateEndpoint", **IDS, Interface={"Address": "10.9.0.2/24"})
    ports = {"com.docker.network.portmap": [BINDING]}
    served.call("NetworkDriver.ProgramExternalConnectivity", **IDS, Options=ports)
    served.call("NetworkDriver.Join", **IDS | {"EndpointID": "0" * 64}, SandboxKey="/x")
    sh("ip addr add 192.0.2.1/32 dev lo; ip link set pnce9e9e9e9e9e9 up")
    with closing(socket.socket()) as client:
        client.setblocking(False)
        client.connect_ex(("192.0.2.1", 8080))
    with closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as sender:
        sender.bind(("pnce9e9e9e9e9e9", 0))
        sender.send(FORGED)
    pause(
        served,
        f"ip link set pn-{NETWORK[:12]} down; ip link del pn-{BROKEN[:12]}; ip link add pn-{BROKEN[:12]} type veth",
    )


def pause(served: Served, command: str) -> None:
    """Run a command while pynet stands still, so that it finds a link of somebody else in the place of its own."""
    for pid in served.pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        sh(command)
    finally:
        for pid in served.pids:
            os.kill(pid, signal.SIGCONT)


def filled(expression: str) -> str:
    """Return an expression of the dashboard with its variables."""
    for name in ("instance", "network", "container"):
        expression = expression.replace(f"${name}", ".*")
    return expression.replace("$__rate_interval", "30s")


def test_every_query_of_the_dashboard_has_data(scraped: Prometheus) -> None:
    """Prometheus reads the page without a complaint, and each query returns a series; each alert is evaluated."""
    (target,) = scraped.ask("targets")["activeTargets"]
    for seldom in ("pynet_findings_not_repaired", "pynet_dropped_packets_total", "pynet_repairs_total"):
        until(partial(scraped.query, f"rate({seldom}[30s])"))
    empty = [one for one in map(filled, queries()) if CLUSTER not in one and not scraped.query(one)]

    assert (target["health"], target["lastError"], empty) == ("up", "", [])
    assert all(float(one["value"][1]) == 1 for one in scraped.query("pynet_published_connections_total"))
    assert [alert for alert in alerts() if not isinstance(scraped.query(alert), list)] == []


def test_promtool_accepts_the_alerts(tools: Path) -> None:
    """Prometheus' own check reads every rule."""
    checked = subprocess.run([tools / "promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"SUCCESS: {len(alerts())} rules found" in checked.stdout
