"""Measures where the time of a container's start goes, with Docker's bridge driver and with pynet, in turns.

    ENGINES=28.5 ROUNDS=20 python -m bench.processes

CPU time is that of control groups made for the engine, for containerd and for pynet, so processes that have ended, such
as ``runc`` and ``iptables``, are counted. The parts of a start are told from the lines of the engine's debug log,
which 28 and later write as ``STAGES`` expects. Needs root.
"""

import itertools
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from bench.ports import AT_ONCE, container, network
from tests.engine.lab import image, service
from tests.engine.lab.api import Api
from tests.engine.lab.engines import obtain
from tests.engine.lab.host import Host
from tests.engine.lab.process import descendants

DRIVERS = ("bridge", "pynet")
GROUPS = Path("/sys/fs/cgroup")
SETTLE = 0.2  # seconds for the work after the last reply
TICK = 1000 / os.sysconf("SC_CLK_TCK")  # milliseconds
STAGES = {  # the stage that begins with a line of the engine's log, in the order of the lines
    r"handling POST .*/start": "containerd and runc create the container",
    r"RequestAddress\(": "CreateEndpoint",
    r"\.addSvcRecords\(": "Join",
    r"iptables, .*-t nat -C OUTPUT -d 127": "engine's rules for its DNS server (ten times iptables)",
    r"iptables, .*-I DOCKER_POSTROUTING .*tcp": "engine moves and sets up the link",
    r"link has been set to up": "engine announces addresses, driver publishes ports",
    r"EnableService .* DONE": "containerd and runc start the program",
    r"topic=/tasks/start": "",
}
Usage = dict[str, float]  # milliseconds of CPU by process


class Group:
    """A control group for the CPU time of processes and all their later children; cgroup v1 or v2."""

    def __init__(self, name: str, pids: list[int]) -> None:
        self._old = (GROUPS / "cpuacct").is_dir()
        self._folder = GROUPS / ("cpuacct" if self._old else "") / f"pynet-bench-{os.getpid()}-{name}"
        self._folder.mkdir()
        for pid in pids:
            (self._folder / "cgroup.procs").write_text(str(pid))

    def usage(self) -> tuple[float, float]:
        """Return the milliseconds of CPU so far: all of them, and those in the kernel."""
        if self._old:
            user, system = (int((self._folder / f"cpuacct.usage_{each}").read_text()) / 1e6 for each in ("user", "sys"))
        else:
            words = dict(line.split() for line in (self._folder / "cpu.stat").read_text().splitlines())
            user, system = (int(words[f"{each}_usec"]) / 1e3 for each in ("user", "system"))
        return user + system, system

    def end(self) -> None:
        """Remove the group; its processes have ended, or go to the group above."""
        while pids := (self._folder / "cgroup.procs").read_text().split():
            for pid in pids:
                with suppress(ProcessLookupError):
                    (self._folder.parent / "cgroup.procs").write_text(pid)
        self._folder.rmdir()


class Meter:
    """Tells how much CPU time engine, containerd and pynet use in a block."""

    def __init__(self, pynet: service.Pynet) -> None:
        named = {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in descendants(os.getpid())}
        self._own = {name: named[name] for name in ("dockerd", "containerd")}
        self._groups = {name: Group(name, [pid]) for name, pid in self._own.items()}
        self._groups["pynet"] = Group("pynet", pynet.pids)

    def end(self) -> None:
        """Remove the groups."""
        for group in self._groups.values():
            group.end()

    def now(self) -> Usage:
        """Return what has been used so far."""
        groups = {name: group.usage() for name, group in self._groups.items()}
        own = {name: _of_process(pid) for name, pid in self._own.items()}
        return {
            "dockerd": own["dockerd"],
            "programs that dockerd runs": groups["dockerd"][0] - own["dockerd"],
            "containerd": own["containerd"],
            "shims and runc": groups["containerd"][0] - own["containerd"],
            "pynet": groups["pynet"][0],
            "all of them, in the kernel": sum(kernel for _, kernel in groups.values()),
        }

    def measure(self, work: Callable[[], object]) -> Usage:
        """Return what ``work`` uses, with the work that goes on after it has returned."""
        before = self.now()
        work()
        time.sleep(SETTLE)
        return {name: used - before[name] for name, used in self.now().items()}


def _of_process(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def stages(lines: list[str]) -> dict[str, float]:
    """Return the milliseconds of each stage of the one start that the engine logged in ``lines``."""
    found: list[tuple[str, datetime]] = []
    wanted = iter(STAGES.items())
    pattern, stage = next(wanted)
    for line in lines:
        if (stamp := re.search(r'time="([^"]{26})', line)) and re.search(pattern, line):
            found.append((stage, datetime.fromisoformat(stamp[1])))
            pattern, stage = next(wanted, ("$^", ""))
    pairs = itertools.pairwise(found)
    return {name: (after - at).total_seconds() * 1000 for (name, at), (_, after) in pairs}


def one(host: Host, driver: str, meter: Meter) -> tuple[Usage, dict[str, float]]:
    """Start one container; return the CPU time and the milliseconds of each stage."""
    log, api = host.log("dockerd"), host.api
    with network(api, driver) as net:
        box = container(api, net)
        read = log.stat().st_size
        used = meter.measure(lambda: api.call("POST", f"/containers/{box}/start"))
        with log.open("rb") as lines:
            lines.seek(read)
            took = stages(lines.read().decode().splitlines())
        api.call("DELETE", f"/containers/{box}?force=1")
    return used, took


def many(host: Host, driver: str, meter: Meter) -> tuple[Usage, dict[str, float]]:
    """Start twenty containers at once; return the CPU time, and how long it took."""
    with network(host.api, driver) as net:
        boxes = [container(host.api, net) for _ in range(AT_ONCE)]
        start, ends = time.perf_counter(), []

        def begin(box: str) -> None:
            api = Api(host.socket)
            api.call("POST", f"/containers/{box}/start")
            api.close()
            ends.append(time.perf_counter())

        def all_of_them() -> None:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(begin, boxes))

        used = meter.measure(all_of_them)
        for box in boxes:
            host.api.call("DELETE", f"/containers/{box}?force=1")
    return used, {"until the last one runs": (max(ends) - start) * 1000}


Measured = list[tuple[Usage, dict[str, float]]]


def table(title: str, found: dict[str, Measured]) -> Iterator[str]:
    """Yield the lines of a Markdown table: milliseconds, medians of the times and means of the CPU times."""
    yield f"\n| {title} | {' | '.join(DRIVERS)} |\n|---|---|---|"
    for name in found["pynet"][0][1]:
        cells = [f"{statistics.median(took.get(name, 0.0) for _, took in found[driver]):.1f}" for driver in DRIVERS]
        yield f"| {name} | {' | '.join(cells)} |"
    for name in found["pynet"][0][0]:
        cells = [f"{statistics.mean(used[name] for used, _ in found[driver]):.1f}" for driver in DRIVERS]
        yield f"| CPU of {name} | {' | '.join(cells)} |"


@contextmanager
def laboratory(label: str) -> Iterator[tuple[Host, Meter]]:
    """Run an engine with pynet, each in a control group."""
    with ExitStack() as stack:
        host = stack.enter_context(Host(obtain(label), "bench"))
        host.start_engine("--debug")
        image.load(host.docker)
        pynet = service.pynet(host)
        pynet.start()
        stack.callback(pynet.stop)
        meter = Meter(pynet)
        stack.callback(meter.end)
        yield host, meter


def main() -> int:
    """Measure both drivers in turns and print two tables."""
    if os.geteuid() != 0:
        print("bench: needs root, for an engine and control groups of its own", file=sys.stderr)
        return 1
    rounds, label = int(os.environ.get("ROUNDS") or 20), os.environ.get("ENGINES") or "28.5"
    starts: dict[str, Measured] = {driver: [] for driver in DRIVERS}
    crowds: dict[str, Measured] = {driver: [] for driver in DRIVERS}
    with laboratory(label) as (host, meter):
        for driver in DRIVERS:
            one(host, driver, meter)
        for number in range(rounds):
            for driver in DRIVERS if number % 2 else reversed(DRIVERS):
                starts[driver].append(one(host, driver, meter))
                if number % 5 == 0:
                    crowds[driver].append(many(host, driver, meter))
    print("\n".join([*table("one start, ms", starts), *table(f"{AT_ONCE} starts at once, ms", crowds)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
