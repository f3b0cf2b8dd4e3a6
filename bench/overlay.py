"""Measures a network over three hosts: the time until a container is reached, and the throughput of VXLAN.

    ROUNDS=20 python -m bench.overlay

Three hosts on one machine, each with a real engine and a pynet, and an etcd of three servers. Reached: from the end of
Join on one host until the first answer to a container of another, which asks every two milliseconds and knows the MAC,
so that its own retries are not measured. Throughput: one TCP stream between two containers through pynet's network, and
through a VXLAN made by hand between the same two containers, in turns. Needs root.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from bench.streaming import STREAM
from tests.cluster.overlay.cluster import Box, Cluster, Node
from tests.cluster.overlay.underlay import LINK, Underlay
from tests.engine.lab.engines import obtain, wanted
from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.shell import CommandFailed

SUBNETS = ("--subnet", "10.77.0.0/24", "--ip-range", "10.77.0.0/25", "--ipv6", "--subnet", "fd77::/64")
RESULTS = Path(__file__).with_name("results")
SECONDS = 1.0  # of a stream
HAND_MADE = ("10.99.0.1", "10.99.0.2")


def reached(asker: Box, node: Node, number: int) -> float:
    """Start a container on ``node`` and return the milliseconds from the end of its Join to its first answer."""
    address = f"10.77.0.{number}"
    mac = "02:42:" + bytes(map(int, address.split("."))).hex(":")
    asker.net("ip", "neigh", "replace", address, "lladdr", mac, "nud", "permanent", "dev", "eth0")
    command = [*asker.enter, "ping", "-D", "-i", "0.002", "-W", "1", address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as ping:
        box = node.run("blue", "--ip", address)
        assert ping.stdout is not None
        first = next(line for line in ping.stdout if "bytes from" in line and "Unreachable" not in line)
        ping.terminate()
    asker.net("ip", "neigh", "del", address, "dev", "eth0")
    node.remove(box)
    return (float(first.split("]")[0].strip("[")) - last_join(node)) * 1000


def last_join(node: Node) -> float:
    """Return when the last Join was answered, in seconds since 1970."""
    lines = [json.loads(line) for line in node.pynet.log.read_text().splitlines() if '"NetworkDriver.Join"' in line]
    return datetime.fromisoformat(lines[-1]["timestamp"]).timestamp()


def make_by_hand(cluster: Cluster, boxes: tuple[Box, Box]) -> None:
    """Join two containers by a VXLAN of its own between their hosts, without pynet."""
    for number, (box, node) in enumerate(zip(boxes, cluster.nodes, strict=False)):
        remote = cluster.nodes[1 - number].address
        for command in (
            f"link add hand0 type vxlan id 99 dstport 4790 local {node.address} remote {remote} dev {LINK}",
            "link add handbr mtu 1450 type bridge",
            "link set handbr up",
            "link set hand0 master handbr up",
            f"link add handp mtu 1450 master handbr type veth peer name eth9 mtu 1450 netns {_pid(box)}",
            "link set handp up",
        ):
            node.host.net("ip", *command.split())
        # The engine lets bridged frames pass iptables, and its FORWARD drops what no network of Docker's is: the same
        # place in that chain as pynet's own accepts have.
        node.host.net("iptables", "-I", "FORWARD", "2", "-i", "handbr", "-j", "ACCEPT")
        box.net("ip", "address", "add", f"{HAND_MADE[number]}/24", "dev", "eth9")
        box.net("ip", "link", "set", "eth9", "up")


def _pid(box: Box) -> str:
    """Return the container's process id as the host's namespaces know it, or as ours do: ``ip`` runs in ours."""
    status = box.host.path(f"/proc/{box.pid}/ns/net").stat().st_ino
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _inode(entry) == status:
            return entry.name
    raise LookupError(f"no process of ours in the namespace of {box.name}")


def _inode(entry: Path) -> int:
    try:
        return (entry / "ns/net").stat().st_ino
    except OSError:
        return 0


def stream(sender: Box, receiver: Box, address: str) -> float:
    """Return the MB/s that the receiver counted."""
    with subprocess.Popen(
        [*receiver.enter, sys.executable, str(STREAM), "receive-bulk"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            sender.net(sys.executable, STREAM, "send-bulk", address, str(SECONDS))
        except CommandFailed:
            process.kill()
            raise
        return float(process.stdout.readline())


def measure(cluster: Cluster, rounds: int) -> dict[str, float]:
    """Return the medians."""
    one, two = (node.run("blue") for node in cluster.nodes[:2])
    cluster.wait("blue")
    times = [reached(one, cluster.nodes[2], 200 + number % 40) for number in range(-2, rounds)][2:]
    make_by_hand(cluster, (one, two))
    pynet: list[float] = []
    hand: list[float] = []
    for number in range(-1, rounds):
        pair = [(pynet, two.ip), (hand, HAND_MADE[1])]
        for found, address in pair if number % 2 else reversed(pair):
            found.append(stream(one, two, address))
    ratios = [ours / theirs for ours, theirs in zip(pynet[1:], hand[1:], strict=True)]
    return {
        "reached_ms": statistics.median(times),
        "reached_worst_ms": max(times),
        "pynet_mb_s": statistics.median(pynet[1:]),
        "hand_made_mb_s": statistics.median(hand[1:]),
        "throughput_ratio": statistics.median(ratios),
    }


def main() -> int:
    """Measure, print, and write the figures to ``bench/results``."""
    if os.geteuid() != 0:
        print("bench: needs root, for engines of its own", file=sys.stderr)
        return 1
    rounds = int(os.environ.get("ROUNDS") or 20)
    engine = obtain(wanted()[-1])
    with tempfile.TemporaryDirectory(prefix="pynet-etcd-") as folder, Underlay(Path(folder)) as underlay:
        underlay.start()
        with Cluster(engine, underlay) as cluster:
            cluster.create("blue", *SUBNETS)
            result = {"engine": engine.version, "rounds": rounds, **measure(cluster, rounds)}
            cluster.remove("blue")
    for key, value in result.items():
        print(f"{key:18} {value:.2f}" if isinstance(value, float) else f"{key:18} {value}")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("overlay-%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nwritten to {path.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
