"""Compares mode lan with mode bridge: throughput, CPU and round trips between containers, and with a neighbour.

    make bench-lan ROUNDS=12

All networks are in one namespace made for it, and are measured in turns, in another order each round; ratios are
medians over the rounds. ``lan`` and ``bridge`` are two containers each, without and with ``gso``; ``neighbour`` is a
container of mode lan and a machine beyond the uplink, ``outside`` one of mode bridge and that machine. Needs root.
"""

import os
import statistics
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from bench.guard import enter
from bench.streaming import UNITS, stream
from tests.kernel.container import Container, sh
from tests.kernel.namespaces import enter_fresh_namespace
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

NEIGHBOUR = "192.168.50.9"


class Turn(NamedTuple):
    """A sender, a receiver, and its address."""

    sender: Container
    receiver: Container
    address: str


def network(pynet: Pynet, number: int, **options: str) -> list[Container]:
    """Return two containers of a new network, whose addresses are in 192.168.50.0/24 in mode lan."""
    subnet = "192.168.50" if options["mode"] == "lan" else f"10.{number}.0"
    own = {f"pynet.{key}": value for key, value in options.items()}
    own |= {"parent": "br0"} if options["mode"] == "lan" else {}
    pynet.driver.create_network(rq.network(f"{number:02x}" * 32, f"{subnet}.1/24", options=own))
    boxes = [Container(), Container()]
    for place, box in enumerate(boxes):
        last = 10 * number + place
        pynet.attach(box, f"{number:02x}" * 32, last, f"{last:02x}" * 32)
    return boxes


def turns(pynet: Pynet) -> tuple[dict[str, Turn], list[Container]]:
    """Return what is compared, by name, and all containers."""
    neighbour = Container()
    sh(f"ip link add br0 type bridge; ip link add eth0 type veth peer name eth0 netns {neighbour.pid}")
    sh("ip link set eth0 master br0 up; ip link set br0 up; ip addr add 192.168.50.5/24 dev br0")
    neighbour.sh(f"ip addr add {NEIGHBOUR}/24 dev eth0; ip link set eth0 up")
    found: dict[str, Turn] = {}
    every = [neighbour]
    for number, (mode, gso) in enumerate([("bridge", "off"), ("lan", "off"), ("bridge", "on"), ("lan", "on")], 2):
        one, two = network(pynet, number, mode=mode, gso=gso)
        address = two.sh("ip -4 -o addr show dev eth0").split()[3].partition("/")[0]
        found[mode if gso == "off" else f"{mode}, gso"] = Turn(one, two, address)
        every += [one, two]
    found["outside"] = Turn(found["bridge"].sender, neighbour, NEIGHBOUR)
    found["neighbour"] = Turn(found["lan"].sender, neighbour, NEIGHBOUR)
    return found, every


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of each figure and turn, and of the ratios of mode lan to mode bridge within a round."""
    enter_fresh_namespace()
    sh("ip link set lo up")
    pynet = Pynet()
    compared, boxes = turns(pynet)
    names = list(compared)
    found: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in names} for kind in UNITS}
    for number in range(rounds):
        order = names[number % len(names) :] + names[: number % len(names)]
        for name in order if number % 2 else reversed(order):
            turn = compared[name]
            figures = asdict(stream(enter(turn.sender), enter(turn.receiver), turn.address))
            for kind, values in found.items():
                values[name].append(figures[kind])
    for box in boxes:
        box.end()
    pynet.close()
    return {kind: _medians(values) for kind, values in found.items()}


def _medians(figures: dict[str, Sequence[float]] | dict[str, list[float]]) -> dict[str, float]:
    found = {name: statistics.median(values) for name, values in figures.items()}
    for lan, bridge in (("lan", "bridge"), ("lan, gso", "bridge, gso"), ("neighbour", "outside")):
        pairs = zip(figures[bridge], figures[lan], strict=True)
        found[f"{lan} / {bridge}"] = statistics.median(new / old for old, new in pairs)
    return found


def main() -> int:
    """Measure and print, in a thread of its own, whose namespace goes with it."""
    if os.geteuid() != 0:
        print("bench: needs root, for namespaces of its own", file=sys.stderr)
        return 1
    found: dict[str, dict[str, float]] = {}
    worker = threading.Thread(target=lambda: found.update(measure(int(os.environ.get("ROUNDS") or 12))))
    worker.start()
    worker.join()
    for kind, row in found.items():
        print(f"{UNITS[kind]:16}", "  ".join(f"{what}: {value:.2f}" for what, value in row.items()))
    return int(not found)


if __name__ == "__main__":
    sys.exit(main())
