"""Measures what policies cost: no policy, five entries, five thousand, and a thousand containers with five, in turns.

    make bench-policy ROUNDS=10

One container connects to a neighbour whose ``pynet.from`` has the entries, and one whose ``pynet.allow_out`` has them
connects to a machine outside. ``frame`` is the round trip in a connection that exists, ``open`` the time until a new
one is open. Ratios are medians of those to the turn without a policy within a round. The last lines are about writing
the entries. Needs root.
"""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Interface
from itertools import permutations
from pathlib import Path

from bench.streaming import stream
from netlink.bridge_port import BridgePort
from netlink.nft_elements import Element
from plugin.firewall.elements import endpoint_elements
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network
from tests.kernel.container import Container, sh
from tests.kernel.namespaces import enter_fresh_namespace
from tests.kernel.pynet import Pynet, connect
from tests.unit import requests as rq

CONNECTIONS = str(Path(__file__).with_name("connections.py"))
TURNS: Mapping[str, int] = {"none": 0, "5": 5, "5000": 5000, "1000x5": 5}  # entries of the container
OTHERS = {"1000x5": 999}  # other containers with the same entries
WAYS = {"neighbour": ("10.9.0.2", "pynet.from", 2), "outside": ("192.0.2.9", "pynet.allow_out", 3)}
FIGURES = {"connections": "connections a second", "open": "µs until open", "frame": "µs a round trip"}
SECONDS = 1.0
Found = dict[tuple[str, str], dict[str, list[float]]]  # way and figure, turn


def entries(count: int) -> str:
    """Return that many entries, of which one allows what is measured."""
    some = [f"tcp/{1000 + number} @ 10.{number >> 8}.{number & 255}.0/24" for number in range(count - 1)]
    return ", ".join([*some, "tcp/5201-5202 @ 10.9.0.0/24, tcp/5201-5202 @ 192.0.2.0/24"])


class Ground:
    """A host with two neighbours, of which one may leave, and a machine outside."""

    def __init__(self) -> None:
        sh("ip link set lo up")
        self.pynet, self.boxes = Pynet(), [Container() for _ in range(3)]
        self.serving: list[subprocess.Popen[bytes]] = []
        connect(self.boxes[2])
        self.pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24"))
        for number, box in enumerate(self.boxes[:2], 2):
            self.pynet.attach(box, rq.NETWORK_ID, number)
        for box in (self.boxes[0], self.boxes[2]):
            command = [*enter(box), sys.executable, CONNECTIONS, "serve", "5202"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE)
            assert process.stdout is not None
            process.stdout.readline()
            self.serving.append(process)

    def rule(self, option: str, number: int, count: int) -> float:
        """Give the container with that number ``count`` entries; return the seconds of the transaction."""
        network = self.pynet.store.get(Network, rq.NETWORK_ID)
        known = self.pynet.store.get(Endpoint, f"{rq.NETWORK_ID}/{f'{number:02x}' * 32}")
        assert network is not None
        assert known is not None
        options = {option: entries(count), "pynet.egress": "deny" if option == "pynet.allow_out" else "allow"}
        endpoint = replace(known.record, driver_opts=options if count else {})
        link, elements = host_link_name(endpoint.id), endpoint_elements(network.record, endpoint)
        start = time.perf_counter()
        self.pynet.firewall.put(link, elements)
        took = time.perf_counter() - start
        self.pynet.kernel.set_port(link, BridgePort(macs=(endpoint.mac,), ruled=bool(count)))
        return took

    def crowd(self, option: str, count: int) -> None:
        """Let as many other containers have five entries; they need no links for that."""
        network = self.pynet.store.get(Network, rq.NETWORK_ID)
        assert network is not None
        options = {option: entries(5), "pynet.egress": "deny" if option == "pynet.allow_out" else "allow"}
        elements: list[Element] = []
        for number in range(count):
            address = IPv4Interface((0x0A090000 + 256 + number, 16))
            end = Endpoint(
                f"{number:064x}", network.record.id, f"02:42:0a:09:{number >> 8:02x}:{number & 255:02x}", address
            )
            elements += endpoint_elements(network.record, replace(end, driver_opts=options))
        self.pynet.firewall.put("crowd", elements)

    def figures(self, way: str) -> dict[str, float]:
        """Return the figures of a way."""
        address, target = WAYS[way][0], self.boxes[0 if way == "neighbour" else 2]
        command = [*enter(self.boxes[1]), sys.executable, CONNECTIONS, "connect", address, "5202", str(SECONDS)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        a_second, opened = map(float, done.stdout.split())
        trip = stream(enter(self.boxes[1]), enter(target), address).trip
        return {"connections": a_second, "open": opened, "frame": trip}

    def end(self) -> None:
        """End everything."""
        for process in self.serving:
            process.kill()
            process.wait()
        for box in self.boxes:
            box.end()
        self.pynet.close()


def enter(box: Container) -> Sequence[str]:
    """Return the prefix of commands in the network namespace of a container."""
    return ("nsenter", "-n", "-t", str(box.pid), "--")


def measure(rounds: int) -> tuple[Found, dict[str, list[float]]]:
    """Return the figures of every round, and the seconds of writing the entries."""
    enter_fresh_namespace()
    ground, orders = Ground(), list(permutations(TURNS))
    found: Found = {(way, figure): {turn: [] for turn in TURNS} for way in WAYS for figure in FIGURES}
    written: dict[str, list[float]] = {turn: [] for turn in TURNS}
    for number in range(rounds):
        for turn in orders[number % len(orders)]:
            for way, (_, option, container) in WAYS.items():
                ground.crowd(option, OTHERS.get(turn, 0))
                written[turn].append(ground.rule(option, container, TURNS[turn]))
                for figure, value in ground.figures(way).items():
                    found[way, figure][turn].append(value)
                ground.rule(option, container, 0)
    ground.end()
    return found, written


def main() -> int:
    """Measure and print, in a thread of its own, whose namespace goes with it."""
    if os.geteuid() != 0:
        print("bench: needs root, for namespaces of its own", file=sys.stderr)
        return 1
    results: list[tuple[Found, dict[str, list[float]]]] = []
    worker = threading.Thread(target=lambda: results.append(measure(int(os.environ.get("ROUNDS") or 10))))
    worker.start()
    worker.join()
    for found, written in results:
        for (way, figure), turns in found.items():
            words = [f"{turn} {statistics.median(values):.1f}" for turn, values in turns.items()]
            for turn in list(TURNS)[1:]:
                pairs = zip(turns["none"], turns[turn], strict=True)
                words.append(f"{turn}/none {statistics.median(new / old for old, new in pairs):.3f}")
            for turn in list(TURNS)[2:]:
                pairs = zip(turns["5"], turns[turn], strict=True)
                words.append(f"{turn}/5 {statistics.median(new / old for old, new in pairs):.3f}")
            print(f"{way:10} {FIGURES[figure]:22}", "  ".join(words))
        print("written in ms:", "  ".join(f"{turn} {min(took) * 1000:.1f}" for turn, took in written.items()))
    return int(not results)


if __name__ == "__main__":
    sys.exit(main())
