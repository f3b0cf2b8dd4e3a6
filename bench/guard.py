"""What the guard costs: throughput and round trips between two guarded containers, with two versions of its rules.

    make bench-guard BEFORE=HEAD~1 ROUNDS=20

The rules of the working tree and those of another commit are written over the same network in turns, in a network
namespace made for it. Ratios are medians over the rounds, in the style of ``bench.run``. Needs root.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.engine.lab.host import REPOSITORY
from tests.kernel.container import Container, sh
from tests.kernel.namespaces import enter_fresh_namespace
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

STREAM = Path(__file__).with_name("stream.py")
ADDRESS, SECONDS = "10.9.0.2", 1.0
RULES = (
    "from ipaddress import ip_interface as i; from plugin.model import *; from plugin.firewall.elements import *; "
    "from plugin.firewall.ruleset import tables_text as t; "
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
    """Return the medians of each kind, before and after, and of their ratio within a round."""
    enter_fresh_namespace()
    sh("ip link set lo up")
    pynet, boxes = Pynet(), [Container(), Container()]
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24"))
    for number, box in enumerate(boxes, 2):
        pynet.attach(box, rq.NETWORK_ID, number)
    rules = {"before": rules_of(before), "after": rules_of(REPOSITORY)}
    found: dict[str, dict[str, list[float]]] = {kind: {"before": [], "after": []} for kind in ("bulk", "trips")}
    for number in range(rounds):
        for which in sorted(rules, reverse=bool(number % 2)):
            pynet.nft.apply(rules[which])
            for kind, figures in found.items():
                figures[which].append(stream(kind, *boxes))
    for box in boxes:
        box.end()
    pynet.close()
    return {kind: _medians(figures["before"], figures["after"]) for kind, figures in found.items()}


def _medians(before: list[float], after: list[float]) -> dict[str, float]:
    ratio = statistics.median(new / old for old, new in zip(before, after, strict=True))
    return {"before": statistics.median(before), "after": statistics.median(after), "ratio": ratio}


def main() -> int:
    """Measure and print, in a thread of its own, whose namespace goes with it."""
    if os.geteuid() != 0:
        print("bench: needs root, for namespaces of its own", file=sys.stderr)
        return 1
    commit, rounds = os.environ.get("BEFORE") or "HEAD~1", int(os.environ.get("ROUNDS") or 20)
    with tempfile.TemporaryDirectory(prefix="pynet-before-") as folder:
        archive = subprocess.run(["git", "archive", commit], cwd=REPOSITORY, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        found: dict[str, dict[str, float]] = {}
        worker = threading.Thread(target=lambda: found.update(measure(Path(folder), rounds)))
        worker.start()
        worker.join()
    names = {"bulk": "throughput, MB/s", "trips": "round trips, thousands a second"}
    for kind, row in found.items():
        print(f"{names[kind]:32} before {row['before']:8.1f}  after {row['after']:8.1f}  ratio {row['ratio']:.3f}")
    return int(not found)


if __name__ == "__main__":
    sys.exit(main())
