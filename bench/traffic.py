"""Throughput of one TCP stream, container to container and host to container, in turns."""

import statistics
import subprocess
import sys
from pathlib import Path

from tests.engine.lab.scene import Container, Scene

SECONDS = 1.0
STREAM = Path(__file__).with_name("stream.py")


def measure(scenes: dict[str, Scene], rounds: int) -> dict[str, dict[str, float]]:
    """Return the median MB/s of each driver: from a neighbour, and from the host by the container's address."""
    pairs = {}
    for driver, scene in scenes.items():
        net = scene.network()
        one, two = scene.containers(net, 2)
        pairs[driver] = (one, two, one.ip(net))
    found: dict[str, dict[str, list[float]]] = {driver: {"neighbour": [], "host": []} for driver in scenes}
    for number in range(rounds):
        for driver in sorted(scenes, reverse=bool(number % 2)):
            one, two, address = pairs[driver]
            found[driver]["neighbour"].append(_stream(one, str(two.namespace), address))
            found[driver]["host"].append(_stream(one, f"/proc/{one.host.pid}/ns/net", address))
    return {driver: {kind: statistics.median(v) for kind, v in kinds.items()} for driver, kinds in found.items()}


def _stream(receiver: Container, sender: str, address: str) -> float:
    """Return the MB/s that a receiver in a container counted."""
    here = ["nsenter", f"--net={receiver.namespace}", "--", sys.executable, str(STREAM), "receive-bulk"]
    with subprocess.Popen(here, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        there = ["nsenter", f"--net={sender}", "--", sys.executable, str(STREAM), "send-bulk", address, str(SECONDS)]
        subprocess.run(there, check=True, timeout=30)
        return float(process.stdout.readline())
