"""Measures a network that is routed between hosts, in turns with the tunnel, routes by hand, and the hosts themselves.

    ROUNDS=20 python -m bench.direct

Two hosts on one machine, each with a real engine and a pynet, and an etcd of three servers. Needs root. Ratios are
medians of ratios to the hosts' own connection within a round: as the cable allows, where CPU is the limit and each hop
costs some, with a cable of RATE, as between machines, and with links that take packets of 192 kB.

``by hand`` has a bridge with a veth pair of its own on each host and one route, and no rules but an accept.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from bench.overlay import RESULTS, SUBNETS, process_of
from bench.streaming import UNITS, Figures, medians, stream
from bench.two_hosts import two_hosts
from tests.cluster.overlay.cluster import Box, Cluster, Node
from tests.cluster.overlay.underlay import LINK
from tests.engine.lab.engines import obtain, wanted
from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.process import wait_until

RATE = "1gbit"
OTHER = ("--subnet", "10.78.0.0/24", "--ip-range", "10.78.0.0/25")
Turn = tuple[Sequence[str], Sequence[str], str]  # prefixes of commands of both ends, and the receiver's address


def make_by_hand(node: Node, box: Box, number: int, other: str) -> str:
    """Give a container a second link that is routed between the hosts without pynet; return its address."""
    own = f"10.99.{number}"
    for command in (
        "link add handbr type bridge",
        f"address add {own}.1/24 dev handbr",
        "link set handbr up",
        f"link add handp master handbr type veth peer name eth9 netns {process_of(box)}",
        "link set handp up",
        f"route add 10.99.{1 - number}.0/24 via {other} dev {LINK}",
    ):
        node.host.net("ip", *command.split())
    node.host.net("iptables", "-I", "FORWARD", "2", "-i", "handbr", "-j", "ACCEPT")
    node.host.net("iptables", "-I", "FORWARD", "2", "-o", "handbr", "-j", "ACCEPT")
    box.net("ip", "address", "add", f"{own}.2/24", "dev", "eth9")
    box.net("ip", "link", "set", "eth9", "up")
    box.net("ip", "route", "add", "10.99.0.0/16", "via", f"{own}.1")
    return f"{own}.2"


def turns_of(cluster: Cluster) -> dict[str, Turn]:
    """Start containers, and return all things to measure."""
    one, two = cluster.nodes[:2]
    tunnel, direct = ([node.run(name) for node in (one, two)] for name in ("blue", "plain"))
    wait_until(lambda: all(a.reaches(b.ip) for a, b in (tunnel, direct)), "containers of the other host", 20)
    make_by_hand(one, tunnel[0], 0, two.address)
    by_hand = make_by_hand(two, tunnel[1], 1, one.address)
    hosts = [("nsenter", "-t", str(node.host.pid), "-n", "--") for node in (one, two)]
    return {
        "hosts": (hosts[0], hosts[1], two.address),
        "by hand": (tunnel[0].enter, tunnel[1].enter, by_hand),
        "direct": (direct[0].enter, direct[1].enter, direct[1].ip),
        "tunnel": (tunnel[0].enter, tunnel[1].enter, tunnel[1].ip),
    }


def take_large(place: Sequence[str], *links: str) -> None:
    """Let links take packets of 192 kB; ``place`` is the prefix of commands in their network namespace."""
    subprocess.run([*place, sys.executable, "-m", "bench.large", *links], cwd=REPOSITORY, check=True)


def measure_large(cluster: Cluster, turns: Mapping[str, Turn], rounds: int) -> dict[str, dict[str, list[Figures]]]:
    """Return the figures when links of containers, by hand, and then also those between the hosts take large packets.

    Not those of pynet: a bridge with a tunnel among its ports takes 64 kB (``netdev_compute_master_upper_features``).
    """
    found: dict[str, dict[str, list[Figures]]] = {}
    hosts, boxes = turns["hosts"][:2], turns["by hand"][:2]
    for host, box in zip(hosts, boxes, strict=True):
        take_large(box, "eth9")
        take_large(host, "handp", "handbr")
    some = {name: turns[name] for name in ("hosts", "by hand", "direct")}
    found["192 kB by hand in containers, 64 kB between hosts"] = measure(some, rounds)
    for host in hosts:
        take_large(host, LINK)
    switch = cluster.underlay.switch
    ports = [link["ifname"] for link in json.loads(switch.exec("ip", "-j", "link", "show", "master", "sw0"))]
    take_large(("nsenter", "-t", str(switch.pid), "-n", "--"), *ports, "sw0")
    found["192 kB by hand in containers, and between hosts"] = measure(some, rounds)
    return found


def measure(turns: Mapping[str, Turn], rounds: int) -> dict[str, list[Figures]]:
    """Return the figures of each turn, a round each; the first round, which warms up, is left out."""
    found: dict[str, list[Figures]] = {name: [] for name in turns}
    for number in range(-1, rounds):
        for name in sorted(turns, reverse=bool(number % 2)):
            found[name].append(stream(*turns[name]))
    return {name: figures[1:] for name, figures in found.items()}


def table(found: Mapping[str, Sequence[Figures]]) -> str:
    """Return medians, and medians of the ratios to the hosts' within a round, as a table."""
    lines = ["| | " + " | ".join(f"{unit} | /hosts" for unit in UNITS.values()) + " |"]
    lines.append("|" + "---|" * (1 + 2 * len(UNITS)))
    for name, figures in found.items():
        cells = medians(figures, found["hosts"], "hosts").values()
        lines.append(f"| {name} | " + " | ".join(f"{cell:.3g}" for cell in cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and write the figures to ``bench/results``."""
    if os.geteuid() != 0:
        print("bench: needs root, for engines of its own", file=sys.stderr)
        return 1
    rounds = int(os.environ.get("ROUNDS") or 20)
    engine = obtain(wanted()[-1])
    found: dict[str, dict[str, list[Figures]]] = {}
    with two_hosts(engine) as cluster:
        cluster.create("blue", *SUBNETS)
        for node in cluster.nodes:
            node.create("plain", *OTHER, "-o", "pynet.tunnel=direct")
        turns = turns_of(cluster)
        found["as fast as the CPU"] = measure(turns, rounds)
        for node in cluster.nodes:
            node.host.net("tc", "qdisc", "add", "dev", LINK, *f"root tbf rate {RATE} burst 256k latency 50ms".split())
        found[f"a cable of {RATE}"] = measure(turns, rounds)
        for node in cluster.nodes:
            node.host.net("tc", "qdisc", "del", "dev", LINK, "root")
        found |= measure_large(cluster, turns, rounds)
        for name in ("plain", "blue"):
            cluster.remove(name)
    print(f"Docker Engine {engine.version}, medians of {rounds} rounds, load {os.getloadavg()[0]:.1f}")
    for title, figures in found.items():
        print(f"\n{title}\n\n{table(figures)}")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("direct-%Y%m%d-%H%M%S.json", time.gmtime())
    rows = {
        title: {name: [asdict(each) for each in every] for name, every in of.items()} for title, of in found.items()
    }
    path.write_text(json.dumps({"engine": engine.version, "rounds": rounds, "figures": rows}, indent=1) + "\n")
    print(f"\nwritten to {path.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
