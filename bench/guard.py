"""Measures the rules that frames between two containers meet: throughput, round trips, and CPU of one frame.

    make bench-guard BEFORE=HEAD~1 ROUNDS=40

The rules of the working tree and those of another commit are written over the same network in turns, in a network
namespace made for it. Ratios are medians over the rounds, in the style of ``bench.run``. The other commit's rules take
a second turn, ``again``: as far as its ratio is from 1, the others say nothing. Besides there are Docker's chains, with
pynet's accepts, as on a host with an engine; in the turn ``bridge`` there are only Docker's rules, for the same bridge.
``NF=0`` measures with ``bridge-nf-call-iptables`` at 0 instead of 1. Needs root.
"""

import os
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import permutations
from pathlib import Path

from bench.docker_rules import ACCEPTS, rules_of_docker
from bench.streaming import UNITS, stream
from tests.engine.lab.host import REPOSITORY
from tests.kernel.container import Container, sh
from tests.kernel.namespaces import enter_fresh_namespace
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

FLOOD = Path(__file__).with_name("flood.py")
ADDRESS, FRAMES = "10.9.0.2", 20000
BRIDGE, MAC = f"pn-{rq.NETWORK_ID[:12]}", "02420a0900"  # MACs of containers end in the last byte of their addresses
TURNS = ("before", "after", "again", "bridge")
PORT = 40000  # of the frames that are only counted: the containers drop them
ACK = struct.pack("!IIBBHHH", 1, 1, 0x50, 0x10, 500, 0, 0)  # the rest of a TCP header, without its checksum
NAMES = {"frame": "CPU ns a frame", **UNITS}
RULES = (
    "from ipaddress import ip_interface as i; from plugin.model.records import *; "
    "from plugin.firewall.elements import *; from plugin.firewall.ruleset import tables_text as t; "
    "n = Network({id!r}, 'bridge', {link!r}, subnets=(NetworkSubnet(i('10.9.0.1/24').network, i('10.9.0.1/24')),)); "
    "e = [Endpoint(f'{{x:02x}}' * 32, n.id, f'02:42:0a:09:00:{{x:02x}}', i(f'10.9.0.{{x}}/24')) for x in (2, 3)]; "
    "print(t('pynet', [network_elements(n), *(endpoint_elements(n, x) for x in e)]))"
)


def rules_of(tree: Path) -> str:
    """Return the transaction that writes the tables of the pynet in ``tree`` for the network of this measurement."""
    code = RULES.format(id=rq.NETWORK_ID, link=BRIDGE)
    return subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True).stdout


def enter(box: Container) -> tuple[str, ...]:
    """Return the prefix of commands in the network namespace of a container."""
    return ("nsenter", "-n", "-t", str(box.pid), "--")


def segment(sender: int, receiver: int, ports: bytes) -> bytes:
    """Return a frame with a TCP segment; the numbers are the last bytes of the containers' addresses."""
    header = bytes.fromhex("45000028000140004006") + bytes(2) + bytes([10, 9, 0, sender, 10, 9, 0, receiver])
    total: int = sum(struct.unpack("!10H", header))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    packet = header[:10] + checksum.to_bytes(2, "big") + header[12:] + ports + ACK
    return bytes.fromhex(f"{MAC}{receiver:02x}{MAC}{sender:02x}0800") + packet


def one_frame(receiver: Container, sender: Container) -> float:
    """Return the nanoseconds of CPU of a frame of an established TCP connection."""
    there, back = (struct.pack("!HH", *ports) for ports in ((PORT, 5201), (5201, PORT)))
    flood(sender, segment(3, 2, there), 500)
    flood(receiver, segment(2, 3, back), 500)
    return flood(sender, segment(3, 2, there), FRAMES)


def flood(sender: Container, frame: bytes, count: int) -> float:
    """Send a frame ``count`` times; return the nanoseconds of CPU of one."""
    return float(sender.sh(f"{sys.executable} {FLOOD} eth0 {frame.hex()} {count}"))


def write(pynet: Pynet, turn: str, rules: Mapping[str, str]) -> None:
    """Replace all rules by those of a turn."""
    sh("nft flush ruleset")
    docker = rules_of_docker("br-0123456789ab", "172.18.0.0/16", "172.18.0.2", ACCEPTS)
    if turn == "bridge":
        docker = rules_of_docker(BRIDGE, "10.9.0.0/24", ADDRESS)
    subprocess.run(["iptables-restore"], input=docker, text=True, check=True)
    if turn in rules:
        pynet.nft.apply(rules[turn])


def prepare(box: Container) -> None:
    """Let a container drop the frames that are only counted."""
    box.sh("nft add table netdev bench")
    box.sh('nft add chain netdev bench in "{ type filter hook ingress device eth0 priority 0; }"')
    for side in ("sport", "dport"):
        box.sh(f"nft add rule netdev bench in tcp {side} {PORT} drop")


def measure(before: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of each kind and turn, and of their ratios to ``before`` within a round."""
    enter_fresh_namespace()
    sh("ip link set lo up")
    pynet, boxes = Pynet(), [Container(), Container()]
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24"))
    for number, box in enumerate(boxes, 2):
        pynet.attach(box, rq.NETWORK_ID, number)
        prepare(box)
    sh(f"sysctl -qw net.bridge.bridge-nf-call-iptables={os.environ.get('NF', '1')}")
    rules = dict(zip(TURNS, map(rules_of, (before, REPOSITORY, before)), strict=False))
    found: dict[str, dict[str, list[float]]] = {kind: {turn: [] for turn in TURNS} for kind in NAMES}
    orders = list(permutations(TURNS))
    for number in range(rounds):
        for turn in orders[number % len(orders)]:
            write(pynet, turn, rules)
            figures = {"frame": one_frame(*boxes), **asdict(stream(enter(boxes[1]), enter(boxes[0]), ADDRESS))}
            for kind, values in found.items():
                values[turn].append(figures[kind])
    for box in boxes:
        box.end()
    pynet.close()
    return {kind: _medians(figures) for kind, figures in found.items()}


def _medians(figures: Mapping[str, Sequence[float]]) -> dict[str, float]:
    found = {turn: statistics.median(values) for turn, values in figures.items()}
    for turn in TURNS[1:]:
        pairs = zip(figures["before"], figures[turn], strict=True)
        found[f"{turn}/before"] = statistics.median(new / old for old, new in pairs)
    return found


def main() -> int:
    """Measure and print, in a thread of its own, whose namespace goes with it."""
    if os.geteuid() != 0:
        print("bench: needs root, for namespaces of its own", file=sys.stderr)
        return 1
    commit, rounds = os.environ.get("BEFORE") or "HEAD~1", int(os.environ.get("ROUNDS") or 40)
    with tempfile.TemporaryDirectory(prefix="pynet-before-") as folder:
        archive = subprocess.run(["git", "archive", commit], cwd=REPOSITORY, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        found: dict[str, dict[str, float]] = {}
        worker = threading.Thread(target=lambda: found.update(measure(Path(folder), rounds)))
        worker.start()
        worker.join()
    for kind, row in found.items():
        print(f"{NAMES[kind]:16}", "  ".join(f"{what} {value:.3f}" for what, value in row.items()))
    return int(not found)


if __name__ == "__main__":
    sys.exit(main())
