"""Debian's Prometheus, unpacked beside the system as engines are.

``python -m tests.kernel.prometheus`` fetches it and says what there is.
"""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.engine.lab.shell import run
from tests.engine.lab.suites import Unavailable, unpacked

PORT = 9090
PATIENCE = 30.0  # seconds
CONFIG = """
global: {{scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 2s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: pynet
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def obtain() -> Path:
    """Return the folder with the programs prometheus and promtool, downloading them on first use.

    Raises:
        Unavailable: they are not to be had from the Debian archive.
    """
    return unpacked("bookworm", "prometheus", name="prometheus") / "usr/bin"


def version() -> str:
    """Return the version of ``obtain``: "2.42.0+ds"."""
    return run(obtain() / "promtool", "--version").split()[2]


class Prometheus:
    """A running Prometheus on loopback."""

    def ask(self, path: str, **query: str) -> Any:
        """Return the data of an answer of its API."""
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        with closing(connection):
            connection.request("GET", f"/api/v1/{path}?{urlencode(query)}")
            reply = json.loads(connection.getresponse().read())
        assert reply["status"] == "success", reply
        return reply["data"]

    def query(self, expression: str) -> list[Any]:
        """Return the series of an expression of PromQL."""
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if holds():
                return
        except (OSError, ValueError):
            pass  # it still starts
        time.sleep(0.2)
    raise AssertionError(holds)


@contextmanager
def started(programs: Path, folder: Path, port: int, rules: Path) -> Iterator[Prometheus]:
    """Yield a Prometheus that scrapes ``port`` every two seconds, with its data in ``folder``."""
    (folder / "prometheus.yml").write_text(CONFIG.format(port=port, rules=rules))
    places = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command = [str(programs / "prometheus"), *places, f"--web.listen-address=127.0.0.1:{PORT}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        prometheus = Prometheus()
        until(lambda: prometheus.query("count_over_time(up[30s])"))
        yield prometheus
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    try:
        print(f"prometheus: {version()} in {obtain()}")
    except Unavailable as why:
        print(f"prometheus: NOT AVAILABLE: {why}", file=sys.stderr)
