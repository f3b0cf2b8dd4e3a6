"""Measures pynet with many networks: times of each verb, idle CPU, memory, times to start again and to heal.

``python -m bench.scale`` serves pynet in network namespaces of its own, and speaks the engine's protocol to it.
``SLOW=100`` writes what each call of more than 100 ms waited for to ``bench/results`` (``bench.slow``).
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from bench.load import FIRST_PORT, Load, rows, until
from bench.report import memory
from bench.slow import WATCHED, SlowCalls
from cli.server.worker import TRIMMED
from netlink.errors import Missing
from netlink.nft_listing import elements
from plugin.firewall.sets import PUBLISHED_ANY
from tests.kernel.namespaces import enter_fresh_namespace
from tests.kernel.served import Served

RESULTS = Path(__file__).parent / "results"
SIZES = (0, 100, 300, 1000)  # networks
SECONDS = 60  # of idling
SLOW = float(os.environ.get("SLOW") or 0) / 1000  # seconds of a call to be reported, 0 for none
SETTLE = 5.0  # seconds for the work after the last reply
QUICK, QUICK_CHANGES = 0.1, 10  # seconds for a change while nobody holds the kernel's locks, and how many
PATIENCE = 120.0  # seconds for one answer
TICKS = os.sysconf("SC_CLK_TCK")
ANY_TARGET = IPv4Address(1)  # the key of an element does not depend on it
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")  # of the namespace of the thread that opens it


def command(*words: str) -> bool:
    """Run a command in the namespace of this thread; return whether it succeeded."""
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def fresh_namespace() -> None:
    """Begin with an empty kernel, as after a boot, when it has taken the links of the former namespace apart.

    It does that under the lock for which every change of a link waits, and nftables transactions wait for it too.
    """
    enter_fresh_namespace()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    until(lambda: all(_changes_at_once() for _ in range(QUICK_CHANGES)))


def _changes_at_once() -> bool:
    start = time.perf_counter()
    subprocess.run(["ip", "link", "set", "lo", "mtu", "65536"], check=True)
    subprocess.run(["nft", "add table inet probe; delete table inet probe"], check=True)
    time.sleep(0.1)
    return time.perf_counter() - start < 0.1 + QUICK


def cpu(pids: list[int]) -> float:
    """Return the CPU seconds that processes have used so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / TICKS


def idle(pynet: Served, seconds: float) -> float:
    """Return the percentage of one core that pynet uses without any request."""
    before, start = cpu(pynet.pids), time.perf_counter()
    time.sleep(seconds)
    return 100 * (cpu(pynet.pids) - before) / (time.perf_counter() - start)


def in_line(pynet: Served) -> None:
    """Wait until nothing is to be repaired."""
    until(lambda: not pynet.ask("Look")["Repairs"])


@contextmanager
def ended(pynet: Served) -> Iterator[Served]:
    """End pynet after the block."""
    try:
        yield pynet
    finally:
        pynet.kill()


def started(pynet: Served) -> dict[str, float]:
    """Start pynet; return the seconds until it answers, and until everything is in line."""
    start = time.perf_counter()
    pynet.spawn()
    pynet.activate()
    answered = time.perf_counter() - start
    in_line(pynet)
    took = time.perf_counter() - start
    start = time.perf_counter()
    pynet.ask("Look")  # the look itself is no part of the recovery
    return {"answers s": answered, "in line s": max(answered, took - (time.perf_counter() - start))}


def healed(breakage: Callable[[], object], whole: Callable[[], bool]) -> float:
    """Break something; return the seconds until it is whole again."""
    breakage()
    return until(whole)


def flushed() -> float:
    """Return the seconds until the first published port leads to its container again after a flush of all rules."""
    return healed(lambda: command("nft", "flush", "ruleset"), _leads_to_container)


def _leads_to_container() -> bool:
    """Ask the kernel itself: ``nft get element`` reads all sets first, which takes 0.4 s of CPU with 1,000 networks."""
    ports = PUBLISHED_ANY[4]
    first = ports.element(socket.IPPROTO_TCP, FIRST_PORT, ANY_TARGET, 1).key
    with suppress(Missing):
        return any(packed.startswith(first) for packed in elements("pynet", ports))
    return False


def forwarding_off() -> float:
    """Return the seconds until forwarding is on again after somebody turned it off."""
    return healed(lambda: FORWARDING.write_text("0"), lambda: FORWARDING.read_text().strip() != "0")


def measure(size: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Return all figures for ``size`` networks."""
    fresh_namespace()
    pynet = Served(folder, *(WATCHED if SLOW else ()), patience=PATIENCE)
    with ended(pynet):
        pynet.start()
        figures: dict[str, Any] = {"networks": size, "MB at start": memory(pynet.pids)}
        load = Load(pynet, SlowCalls(pynet, SLOW, RESULTS / "slow.txt").call if SLOW else nullcontext)
        load.grow(size)
        time.sleep(SETTLE)
        figures |= {"MB": memory(pynet.pids), "idle %": idle(pynet, seconds)}
        if size:
            figures |= {"rules back s": flushed()}
            in_line(pynet)
            figures |= {"forwarding back s": forwarding_off()}
            in_line(pynet)
        pynet.kill()
        copy = shutil.copytree(folder / "state", folder / "copy" / "state")
        figures |= {f"killed, {what}": value for what, value in started(pynet).items()}
        in_line(pynet)
        load.shrink()
        time.sleep(SETTLE + TRIMMED)  # the worker gives memory back some seconds after a call
        figures |= {"MB after removal": memory(pynet.pids)}
    return figures | rebooted(copy.parent) | {"verbs": list(rows(load))}


def rebooted(folder: Path) -> dict[str, float]:
    """Start pynet with its records on an empty kernel."""
    fresh_namespace()
    with ended(Served(folder, patience=PATIENCE)) as pynet:
        return {f"rebooted, {what}": value for what, value in started(pynet).items()}


def tables(results: list[dict[str, Any]]) -> str:
    """The figures as two Markdown tables; milliseconds of verbs, and a column for each number of networks."""
    sizes = [str(result["networks"]) for result in results]
    lines = ["", "| networks | verb | calls | few | many | many/few | p99 | max |", "|---|---|---|---|---|---|---|---|"]
    for result in results:
        for row in result["verbs"]:
            cells = [f"{row[key]:.2f}" for key in ("few", "many", "many/few", "p99", "max")]
            lines.append(f"| {result['networks']} | {row['verb']} | {row['calls']} | {' | '.join(cells)} |")
    lines += ["", f"| networks | {' | '.join(sizes)} |", "|---" * (len(sizes) + 1) + "|"]
    for what in [key for key in results[-1] if key not in ("verbs", "networks")]:
        cells = [f"{result[what]:.2f}" if what in result else "" for result in results]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure with each number of networks, print tables, and write the figures to ``bench/results``."""
    if os.geteuid() != 0:
        print("bench: needs root, for namespaces of its own", file=sys.stderr)
        return 1
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed pynet has compiled modules; to compile takes 0.2 s
    sizes = [int(word) for word in os.environ.get("SIZES", "").split()] or list(SIZES)
    seconds = float(os.environ.get("SECONDS") or SECONDS)
    results = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="pynet-scale-") as folder:
            results.append(measure(size, seconds, Path(folder)))
        print(f"{size} networks measured", file=sys.stderr)
    print(tables(results))
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("scale-%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
