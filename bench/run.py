"""Docker's bridge driver, pynet and the floor side by side: one engine, one run, in turns.

    ENGINES="20.10 28.5" ROUNDS=20 python -m bench.run
    TRAFFIC=1 python -m bench.run

Every round takes each driver once through the life of a network, in another order each time; ratios are medians of the
ratios within a round, so that what else the machine does hits both sides. Times are those of calls of the engine's API,
not of the ``docker`` command, whose own start would hide the differences. Needs root.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import permutations
from pathlib import Path
from typing import Any

from bench import traffic, wider
from bench.report import memory, table, verb_times
from tests.engine.lab import image, service
from tests.engine.lab.api import Api
from tests.engine.lab.engines import obtain, wanted
from tests.engine.lab.host import REPOSITORY, Host

DRIVERS = ("bridge", "pynet", "floor")
STEPS = ("network create", "container start", "disconnect", "connect", "container stop", "network rm")
PAIRS = (("pynet", "bridge"), ("pynet", "floor"), ("floor", "bridge"))
RESULTS = Path(__file__).with_name("results")
FLOOR = (str(REPOSITORY / ".venv/bin/python"), "-m", "bench.floor", f"{service.PLUGINS}/floor.sock")
WIDER = os.environ.get("WIDER", "1") != "0"  # the rows that take minutes, most of them the built-in driver's
TRAFFIC = os.environ.get("TRAFFIC", "0") != "0"  # measure traffic alone, ROUNDS times
STREAM_ROUNDS = 3  # of traffic beside everything else: two minutes
Round = dict[str, float]  # milliseconds by step


@contextmanager
def clock(times: Round, step: str) -> Iterator[None]:
    """Note how many milliseconds the block takes."""
    start = time.perf_counter()
    yield
    times[step] = (time.perf_counter() - start) * 1000


def life(api: Api, driver: str) -> Round:
    """Take one network and one container through their life and return the time of each step."""
    times: Round = {}
    with clock(times, "network create"):
        network = api.call("POST", "/networks/create", {"Name": f"bench-{driver}", "Driver": driver})["Id"]
    container = api.call("POST", "/containers/create", _container(network))["Id"]
    with clock(times, "container start"):
        api.call("POST", f"/containers/{container}/start")
    with clock(times, "disconnect"):
        api.call("POST", f"/networks/{network}/disconnect", {"Container": container})
    with clock(times, "connect"):
        api.call("POST", f"/networks/{network}/connect", {"Container": container})
    with clock(times, "container stop"):
        api.call("POST", f"/containers/{container}/stop?t=0")
    api.call("DELETE", f"/containers/{container}?force=1")
    with clock(times, "network rm"):
        api.call("DELETE", f"/networks/{network}")
    return times


def _container(network: str) -> dict[str, Any]:
    host = {"NetworkMode": network, "LogConfig": {"Type": "none"}}
    return {"Image": image.NAME, "Cmd": ["sleep", "86400"], "StopSignal": "SIGKILL", "HostConfig": host}


def measure(host: Host, rounds: int) -> dict[str, list[Round]]:
    """Return the times of every driver in every round, after two rounds of warming up."""
    found: dict[str, list[Round]] = {driver: [] for driver in DRIVERS}
    orders = list(permutations(DRIVERS))
    for number in range(-2, rounds):
        for driver in orders[number % len(orders)]:
            times = life(host.api, driver)
            if number >= 0:
                found[driver].append(times)
    return found


def summarise(found: dict[str, list[Round]]) -> list[dict[str, Any]]:
    """Medians of each step in milliseconds, and of the ratios within a round."""
    rows: list[dict[str, Any]] = []
    for step in STEPS:
        row: dict[str, Any] = {"step": step}
        for driver in DRIVERS:
            row[driver] = statistics.median(times[step] for times in found[driver])
        for one, other in PAIRS:
            pairs = zip(found[one], found[other], strict=True)
            row[f"{one}/{other}"] = statistics.median(left[step] / right[step] for left, right in pairs)
        rows.append(row)
    return rows


@contextmanager
def served(label: str) -> Iterator[tuple[Host, service.Pynet, service.Plugin]]:
    """Run an engine with pynet and the floor."""
    with ExitStack() as stack:
        host = stack.enter_context(Host(obtain(label), "bench"))
        host.start_engine()
        image.load(host.docker)
        pynet = service.pynet(host, PYNET_LOG_LEVEL="debug")
        floor = service.Plugin(host, "floor", FLOOR, {"PYTHONPATH": str(REPOSITORY)})
        for plugin in (pynet, floor):
            plugin.start()
            stack.callback(plugin.stop)
        yield host, pynet, floor


def bench(label: str, rounds: int) -> dict[str, Any]:
    """Measure everything on one engine and print the results."""
    with served(label) as (host, pynet, floor):
        found = measure(host, rounds)
        result = {
            "engine": host.engine.version,
            "rounds": rounds,
            "steps": summarise(found),
            "pynet_verbs_ms": verb_times(pynet.log),
            "memory_mb": {"pynet": memory(pynet.pids), "floor": memory(floor.pids)},
            "wider": [asdict(row) for row in wider.rows(host, pynet, rounds)] if WIDER else [],
        }
        streams = traffic.rows(host, STREAM_ROUNDS) if WIDER else []
        result |= {"traffic": [asdict(row) for row in streams]}
    print(table(result))
    if streams:
        print("", traffic.table(streams), sep="\n")
    return result


def bench_traffic(label: str, rounds: int) -> dict[str, Any]:
    """Measure traffic alone on one engine and print the results."""
    with served(label) as (host, _, _):
        streams = traffic.rows(host, rounds)
    print(f"\nDocker Engine {host.engine.version}, {rounds} rounds", traffic.table(streams), sep="\n\n")
    return {"engine": host.engine.version, "rounds": rounds, "traffic": [asdict(row) for row in streams]}


def main() -> int:
    """Measure on every wanted engine and write the figures to ``bench/results``."""
    if os.geteuid() != 0:
        print("bench: needs root, for engines of its own", file=sys.stderr)
        return 1
    rounds = int(os.environ.get("ROUNDS") or (STREAM_ROUNDS if TRAFFIC else 20))
    labels = tuple(os.environ.get("ENGINES", "").split()) or wanted()
    results = [(bench_traffic if TRAFFIC else bench)(label, rounds) for label in labels]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten to {path.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
