"""The metrics of a served pynet, with traffic of the kernel, as Prometheus' own tools read them."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plugin.observe import metrics as m
from tests.engine.lab.suites import Unavailable
from tests.kernel import prometheus
from tests.kernel.container import sh
from tests.kernel.served import Served
from tests.kernel.test_disk import fill
from tests.unit.test_metrics import series

NETWORK, ENDPOINT = "a9" * 32, "e9" * 32
IDS = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
PORT = 9717
SHOP = f'network="{NETWORK[:12]}",network_id="{NETWORK[:12]}"'
SITE = f'{SHOP},container="{ENDPOINT[:12]}",endpoint="{ENDPOINT[:12]}"'


@pytest.fixture
def served(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A served pynet with a network that has an endpoint, and with metrics by TCP."""
    monkeypatch.setenv("PYNET_METRICS", str(PORT))
    served = Served(disk)
    served.start()
    data = [{"Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}]
    served.call("NetworkDriver.CreateNetwork", NetworkID=NETWORK, IPv4Data=data, IPv6Data=[])
    served.call("NetworkDriver.CreateEndpoint", **IDS, Interface={"Address": "10.9.0.2/24"})
    yield served
    served.kill()


def command(served: Served, *words: str) -> subprocess.CompletedProcess[str]:
    """Type a pynet command."""
    program = Path(sys.executable).with_name("pynet")
    environment = os.environ | {"PYNET_SOCKET": str(served.socket)}
    return subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def tools() -> Path:
    """The folder with Prometheus' programs."""
    try:
        return prometheus.obtain()
    except Unavailable as why:
        pytest.skip(str(why))


def test_traffic_of_the_kernel_is_counted(served: Served) -> None:
    """What the host sends to a container is what the container receives, of the endpoint and of its network."""
    before = series(command(served, "metrics").stdout)
    sh("ip link set pnce9e9e9e9e9e9 up; ping -q -c 3 -i 0.01 -W 0.2 -b 10.9.0.255 || true")
    sh("sleep 1.1")  # pages are the same for a second
    now = series(command(served, "metrics").stdout)

    key = m.PACKETS_RECEIVED.name, SITE
    assert now[key] >= before[key] + 3
    assert now[m.NETWORK_PACKETS_RECEIVED.name, SHOP] >= 3
    assert now["pynet_request_duration_seconds_count", 'verb="NetworkDriver.CreateEndpoint",outcome="ok"'] == 1


def read(path: str) -> tuple[int, str]:
    """Return the status and the text of a page by TCP."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def states(served: Served) -> tuple[int, str, int, str]:
    """Return the status and the state of /healthz, and the exit code and the line of ``pynet status``."""
    time.sleep(1.1)  # an answer is good for a second
    (status, page), told = read("/healthz"), command(served, "status")
    line = next(line for line in told.stdout.splitlines() if line.startswith("health:"))
    return status, json.loads(page)["State"], told.returncode, line.removeprefix("health:").strip()


def test_health_is_what_status_says(served: Served, disk: Path) -> None:
    """A full disk is 503 with a reason, by TCP and in ``pynet status``, until there is room again."""
    sound = states(served)
    filler = fill(disk)
    full, metric = states(served), series(read("/metrics")[1])[m.HEALTH.name, 'check="store"']
    filler.unlink()

    assert sound == states(served) == (200, "ok", 0, "ok")
    assert full == (503, "failed", 1, "failed; store: no space left on device")
    assert metric == 0


def test_promtool_finds_nothing(served: Served, tools: Path) -> None:
    """Prometheus' own check of names, types and helps is silent."""
    page = command(served, "metrics").stdout
    checked = subprocess.run(
        [tools / "promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_file_for_node_exporter(served: Served, tmp_path: Path) -> None:
    """``pynet metrics --textfile`` replaces the file at once, for every reader, and leaves no other."""
    folder = tmp_path / "collected"
    folder.mkdir()
    file = folder / "pynet.prom"
    file.write_text("old")
    done = command(served, "metrics", "--textfile", str(file))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert series(file.read_text())[m.NETWORKS.name, 'mode="bridge"'] == 1
    assert ([path.name for path in folder.iterdir()], file.stat().st_mode & 0o777) == (["pynet.prom"], 0o644)
