"""Measures a network over several hosts, in turns with swarm's on the same engines and with a VXLAN made by hand.

    ROUNDS=20 python -m bench.overlay

Hosts on one machine, each with a real engine and a pynet, and an etcd of three servers. Needs root.

* Reached: from the return of ``docker run`` on one host until the first answer to a container of another, which asks
  every two milliseconds and knows the MAC, so that its own retries are not measured. Negative if the answer was first.
* Throughput, round trips and CPU of one TCP connection between two containers (``bench.streaming``), with the hosts'
  ``bridge-nf-call-iptables`` and ``-ip6tables`` at 1 and at 0. They do not concern swarm, which has its bridge in a
  network namespace of its own. Ratios are medians of ratios to swarm within a round.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.streaming import UNITS, Figures, medians, stream
from bench.two_hosts import two_hosts
from tests.cluster.overlay.cluster import QUICK, Box, Cluster, Node
from tests.cluster.overlay.underlay import LINK
from tests.engine.lab import image
from tests.engine.lab.engines import obtain, wanted
from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.process import wait_until

SUBNETS = ("--subnet", "10.77.0.0/24", "--ip-range", "10.77.0.0/25", "--ipv6", "--subnet", "fd77::/64")
SWARM, SWARM_SUBNET = "fish", ("--subnet", "10.88.0.0/24", "--ip-range", "10.88.0.0/25")
RESULTS = Path(__file__).with_name("results")
HAND_MADE = ("10.99.0.1", "10.99.0.2")
Pair = tuple[Box, Box]


@dataclass(frozen=True)
class Turn:
    """One thing to measure: two containers, the address of the second, and the hosts' setting."""

    boxes: Pair
    address: str
    filtered: int  # bridge-nf-call-iptables and -ip6tables


def reached(asker: Box, node: Node, network: str, number: int) -> tuple[float, float]:
    """Start a container on ``node``; return the times of its first answer and of the return of ``docker run``."""
    address = f"{asker.ip.rsplit('.', 1)[0]}.{number}"
    mac = "02:42:" + bytes(map(int, address.split("."))).hex(":")
    asker.net("ip", "neigh", "replace", address, "lladdr", mac, "nud", "permanent", "dev", "eth0")
    command = [*asker.enter, "ping", "-D", "-i", "0.002", "-W", "1", address]
    name = f"reached{network}{number}"
    node.names.append(name)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as ping:
        node.host.docker("run", "-d", "--name", name, *QUICK, "--network", network, "--ip", address, image.NAME)
        returned = time.time()
        assert ping.stdout is not None
        first = next(line for line in ping.stdout if "bytes from" in line and "Unreachable" not in line)
        ping.terminate()
    asker.net("ip", "neigh", "del", address, "dev", "eth0")
    node.host.docker("rm", "-f", name)
    node.names.remove(name)
    return float(first.split("]")[0].strip("[")), returned


def measure_reached(askers: Mapping[str, Box], node: Node, rounds: int) -> dict[str, float]:
    """Return medians and worst values, in milliseconds, for pynet and swarm in turns."""
    found: dict[str, list[float]] = {"pynet": [], "swarm": []}
    for number in range(-1, rounds):
        for kind in sorted(askers, reverse=bool(number % 2)):
            asker, network = askers[kind], SWARM if kind == "swarm" else "blue"
            answered, returned = reached(asker, node, network, 200 + number % 40)
            found[kind].append((answered - returned) * 1000)
    warm = {kind: values[1:] for kind, values in found.items()}
    return {f"reached, {kind}, {word}": of(warm[kind]) for kind in warm for word, of in AVERAGES.items()}


AVERAGES: Mapping[str, Callable[[Sequence[float]], float]] = {"median": statistics.median, "worst": max}


def join_swarm(cluster: Cluster) -> None:
    """Make the first two engines a swarm with one network."""
    one, two = cluster.nodes[:2]
    one.host.docker("swarm", "init", "--advertise-addr", one.address, "--listen-addr", one.address)
    token = one.host.docker("swarm", "join-token", "-q", "worker").strip()
    two.host.docker("swarm", "join", "--token", token, "--advertise-addr", two.address, f"{one.address}:2377")
    one.host.docker("network", "create", "--driver", "overlay", "--attachable", *SWARM_SUBNET, SWARM)


def leave_swarm(cluster: Cluster) -> None:
    """End the swarm."""
    for node in reversed(cluster.nodes[:2]):
        node.host.docker("swarm", "leave", "--force")


def make_by_hand(cluster: Cluster, boxes: Pair) -> None:
    """Join two containers by a VXLAN of its own between their hosts, without pynet."""
    for number, (box, node) in enumerate(zip(boxes, cluster.nodes, strict=False)):
        remote = cluster.nodes[1 - number].address
        for command in (
            f"link add hand0 type vxlan id 99 dstport 4790 local {node.address} remote {remote} dev {LINK}",
            "link add handbr mtu 1450 type bridge",
            "link set handbr up",
            "link set hand0 master handbr up",
            f"link add handp mtu 1450 master handbr type veth peer name eth9 mtu 1450 netns {process_of(box)}",
            "link set handp up",
        ):
            node.host.net("ip", *command.split())
        # The engine lets bridged frames pass iptables, and its FORWARD drops what no network of Docker's is: the same
        # place in that chain as pynet's own accepts have.
        node.host.net("iptables", "-I", "FORWARD", "2", "-i", "handbr", "-j", "ACCEPT")
        box.net("ip", "address", "add", f"{HAND_MADE[number]}/24", "dev", "eth9")
        box.net("ip", "link", "set", "eth9", "up")


def process_of(box: Box) -> str:
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


def measure_traffic(cluster: Cluster, turns: Mapping[str, Turn], rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of each turn, and of its ratios to swarm's within a round."""
    found: dict[str, list[Figures]] = {name: [] for name in turns}
    for number in range(-1, rounds):
        for name in sorted(turns, reverse=bool(number % 2)):
            turn = turns[name]
            for node in cluster.nodes[:2]:
                settings = [f"net.bridge.bridge-nf-call-{which}={turn.filtered}" for which in ("iptables", "ip6tables")]
                node.host.net("sysctl", "-qw", *settings)
            found[name].append(stream(turn.boxes[0].enter, turn.boxes[1].enter, turn.address))
    return {name: medians(figures[1:], found["swarm"][1:], "swarm") for name, figures in found.items()}


def measure(cluster: Cluster, rounds: int) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return the milliseconds until a container is reached, and the figures of traffic."""
    join_swarm(cluster)
    one, two = (node.run("blue") for node in cluster.nodes)
    cluster.wait("blue")
    first, second = (node.run(SWARM) for node in cluster.nodes)
    wait_until(lambda: first.reaches(second.ip), "a container of the other host in the swarm", 60)
    soon = measure_reached({"pynet": one, "swarm": first}, cluster.nodes[1], rounds)
    make_by_hand(cluster, (one, two))
    turns = {"swarm": Turn((first, second), second.ip, 1)}
    for filtered in (0, 1):
        turns[f"pynet {filtered}"] = Turn((one, two), two.ip, filtered)
        turns[f"by hand {filtered}"] = Turn((one, two), HAND_MADE[1], filtered)
    traffic = measure_traffic(cluster, turns, rounds)
    for node in cluster.nodes:
        node.clear()
    leave_swarm(cluster)
    return soon, traffic


def main() -> int:
    """Measure, print, and write the figures to ``bench/results``."""
    if os.geteuid() != 0:
        print("bench: needs root, for engines of its own", file=sys.stderr)
        return 1
    rounds = int(os.environ.get("ROUNDS") or 20)
    engine = obtain(wanted()[-1])
    with two_hosts(engine) as cluster:
        cluster.create("blue", *SUBNETS)
        soon, traffic = measure(cluster, rounds)
        cluster.remove("blue")
    print(f"Docker Engine {engine.version}, medians of {rounds} rounds\n")
    print("\n".join(f"{name:36} {value:8.1f} ms" for name, value in soon.items()))
    print("\n| network, bridge-nf-call-iptables | " + " | ".join(f"{unit} | /swarm" for unit in UNITS.values()) + " |")
    print("|" + "---|" * (1 + 2 * len(UNITS)))
    for name, row in traffic.items():
        print(f"| {name} | " + " | ".join(f"{value:.3g}" for value in row.values()) + " |")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("overlay-%Y%m%d-%H%M%S.json", time.gmtime())
    result = {"engine": engine.version, "rounds": rounds, "reached_ms": soon, "traffic": traffic}
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nwritten to {path.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
