"""Measures the guard: throughput and round trips between two containers, with two versions of its rules.

    make bench-guard BEFORE=HEAD~1 ROUNDS=40

The rules of the working tree and those of another commit are written over the same network in turns, in a network
namespace made for it. Ratios are medians over the rounds, in the style of ``bench.run``. The other commit's rules take
a second turn, ``again``: as far as its ratio is from 1, the others say nothing. Needs root.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

from tests.engine.lab.host import REPOSITORY
from tests.kernel.container import Container, sh
from tests.kernel.namespaces import enter_fresh_namespace
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

STREAM = Path(__file__).with_name("stream.py")
ADDRESS, SECONDS = "10.9.0.2", 0.5
TURNS = ("before", "after", "again")
RULES = (
    "from ipaddress import ip_interface as i; from plugin.model.records import *; "
    "from plugin.firewall.elements import *; from plugin.firewall.ruleset import tables_text as t; "
    "n = Network({id!r}, 'bridge', {link!r}, subnets=(NetworkSubnet(i('10.9.0.1/24').network, i('10.9.0.1/24')),)); "
    "e = [Endpoint(f'{{x:02x}}' * 32, n.id, f'02:42:0a:09:00:{{x:02x}}', i(f'10.9.0.{{x}}/24')) for x in (2, 3)]; "
    "print(t('pynet', [network_elements(n), *(endpoint_elements(n, x) for x in e)]))"
)


def rules_of(tree: Path) -> str:
    """Return the transaction that writes the tables of the pynet in ``tree`` for the network of this measurement."""
    code = RULES.format(id=rq.NETWORK_ID, link=f"pn-{rq.NETWORK_ID[:12]}")
    return subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True).stdout


def stream(kind: str, receiver: Container, sender: Container) -> float:
    """Return the MB/s of one stream, or the thousands of round trips a second."""
    here = ["nsenter", "-n", "-t", str(receiver.pid), "--", sys.executable, str(STREAM), f"receive-{kind}"]
    with subprocess.Popen(here, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        sender.sh(f"{sys.executable} {STREAM} send-{kind} {ADDRESS} {SECONDS}")
        return float(process.stdout.readline())


def measure(before: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of each kind and turn, and of their ratios to ``before`` within a round."""
    enter_fresh_namespace()
    sh("ip link set lo up")
    pynet, boxes = Pynet(), [Container(), Container()]
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24"))
    for number, box in enumerate(boxes, 2):
        pynet.attach(box, rq.NETWORK_ID, number)
    rules = dict(zip(TURNS, map(rules_of, (before, REPOSITORY, before)), strict=True))
    found: dict[str, dict[str, list[float]]] = {kind: {turn: [] for turn in TURNS} for kind in ("bulk", "trips")}
    orders = list(permutations(TURNS))
    for number in range(rounds):
        for turn in orders[number % len(orders)]:
            pynet.nft.apply(rules[turn])
            for kind, figures in found.items():
                figures[turn].append(stream(kind, *boxes))
    for box in boxes:
        box.end()
    pynet.close()
    return {kind: _medians(figures) for kind, figures in found.items()}


def _medians(figures: Mapping[str, Sequence[float]]) -> dict[str, float]:
    found = {turn: statistics.median(values) for turn, values in figures.items()}
    for turn in ("after", "again"):
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
    names = {"bulk": "throughput, MB/s", "trips": "round trips, thousands a second"}
    for kind, row in found.items():
        print(f"{names[kind]:32}", "  ".join(f"{what} {value:.3f}" for what, value in row.items()))
    return int(not found)


if __name__ == "__main__":
    sys.exit(main())
