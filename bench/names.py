"""Measures how soon names are known on another host, and how long questions take while something is away.

    ENGINES="20.10 26.1 28.5" ROUNDS=20 python -m bench.names

Two hosts on one machine, each with a real engine and a pynet, and an etcd of three servers. Containers ask their own
engine, at 127.0.0.11, for containers of the other host by full names, in each way that the engine has. Needs root.

* From Join until found: from the engine's event ``network connect``, which follows Join.
* After ``docker rm``: from its return until the name is gone; negative if it was gone before.
* Questions while the store is away, and while pynet is, with 15 s of patience.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.two_hosts import two_hosts
from cli.commands.dns_setup import LAST_THAT_ASKS_FROM_THE_CONTAINER, RESOLVER
from tests.cluster.overlay.cluster import QUICK, Box, Cluster, Node
from tests.engine.lab import image
from tests.engine.lab.engines import Engine, obtain, wanted
from tests.engine.lab.host import REPOSITORY
from tests.engine.lab.host import RESOLVER as NO_SERVER
from tests.engine.lab.process import wait_until

SUBNETS = ("--subnet", "10.77.0.0/24")
ENGINE, NOBODY = "127.0.0.11", "192.0.2.200"  # the engine's server, and an address that nobody has
RESULTS = Path(__file__).with_name("results")
Row = dict[str, float | str]


@dataclass(frozen=True)
class Way:
    """How containers come to ask pynet: the network's option, flags of a container, options of the engine."""

    option: str = "on"
    flags: Sequence[str] = ()
    servers: Sequence[str] = NO_SERVER


WAYS: Mapping[str, Way] = {
    "hijack": Way("hijack", servers=()),
    "daemon.json": Way(servers=("--dns", RESOLVER, "--dns", NOBODY)),
    "--dns": Way(flags=("--dns", RESOLVER)),
}


def ways(engine: Engine) -> Iterator[str]:
    """Return the ways that an engine has."""
    old = int(engine.version.split(".")[0]) <= LAST_THAT_ASKS_FROM_THE_CONTAINER
    yield from (way for way in WAYS if old or way != "hijack")


def command(box: Box, *words: object) -> list[str]:
    """Return the command that asks in a container."""
    return [*box.enter, sys.executable, "-m", "bench.asking", ENGINE, *map(str, words)]


@contextmanager
def waiting(box: Box, what: str, name: str) -> Iterator[list[float]]:
    """Ask while the block runs; the list then has the time of the answer that was wanted."""
    found: list[float] = []
    with subprocess.Popen(command(box, "until", what, name), cwd=REPOSITORY, stdout=subprocess.PIPE) as asking:
        assert asking.stdout
        asking.stdout.readline()
        yield found
        found.append(float(asking.stdout.readline()))


def times(box: Box, name: str, count: int) -> tuple[list[float], str]:
    """Return the milliseconds of some questions, and the kinds of their answers."""
    done = subprocess.run(command(box, "times", count, name), cwd=REPOSITORY, check=True, capture_output=True)
    rows = json.loads(done.stdout)
    return [row[0] for row in rows], ", ".join(sorted({row[1] for row in rows}))


def come_and_go(asker: Box, node: Node, number: int) -> tuple[float, float, float]:
    """Start and remove a container; return milliseconds from Join and from the return of both commands."""
    name, begin = f"late{number}", time.time()
    node.names.append(name)
    with waiting(asker, "there", f"{name}.blue.pynet") as found:
        node.host.docker("run", "-d", "--name", name, *QUICK, "--network", "blue", image.NAME)
        started = time.time()
    filters = ("--since", f"{begin:.3f}", "--until", f"{time.time():.3f}", "--filter", "event=connect")
    joined = float(node.host.docker("events", *filters, "--format", "{{.TimeNano}}").split()[-1]) / 1e9
    with waiting(asker, "gone", f"{name}.blue.pynet") as gone:
        node.host.docker("rm", "-f", name)
        removed = time.time()
    node.names.remove(name)
    return (found[0] - joined) * 1000, (found[0] - started) * 1000, (gone[0] - removed) * 1000


def away(cluster: Cluster, asker: Box, near: Box, far: Box, rounds: int) -> Row:
    """Return how long questions take: as ever, while the store is away, and while pynet is."""
    row = _asked("as ever", asker, f"{far.name}.blue.pynet", rounds)
    for server in cluster.underlay.servers:
        server.kill()
    row |= _asked("store away", asker, f"{far.name}.blue.pynet", rounds)
    cluster.underlay.start()
    cluster.nodes[0].pynet.kill()
    row |= _asked("pynet away, own host's", asker, near.name, 3)
    row |= _asked("pynet away, other host's", asker, f"{far.name}.blue.pynet", 3)
    cluster.nodes[0].pynet.start()
    return row


def _asked(when: str, asker: Box, name: str, rounds: int) -> Row:
    took, kinds = times(asker, name, rounds)
    return {f"{when}: median": statistics.median(took), f"{when}: worst": max(took), f"{when}: answer": kinds}


def measure(cluster: Cluster, way: Way, rounds: int) -> Row:
    """Return the figures of one way."""
    here, there = cluster.nodes
    here.host.exec("sh", "-c", f"echo nameserver {NOBODY} > /etc/resolv.conf")
    here.host.stop_engine()
    here.host.start_engine(servers=way.servers)
    cluster.create("blue", *SUBNETS, "-o", f"pynet.dns={way.option}")
    try:
        asker, near, far = here.run("blue", *way.flags), here.run("blue"), there.run("blue")
        wait_until(lambda: times(asker, f"{far.name}.blue.pynet", 1)[1] == "addresses", "the name")
        rows = [come_and_go(asker, there, number) for number in range(rounds + 1)][1:]
        row: Row = {}
        for title, took in zip(("Join", "docker run", "docker rm"), zip(*rows, strict=True), strict=True):
            row |= {f"{title}: median": statistics.median(took), f"{title}: worst": max(took)}
        return row | away(cluster, asker, near, far, rounds)
    finally:
        cluster.remove("blue")


def main() -> int:
    """Measure, print, and write the figures to ``bench/results``."""
    if os.geteuid() != 0:
        print("bench: needs root, for engines of its own", file=sys.stderr)
        return 1
    rounds, found = int(os.environ.get("ROUNDS") or 20), dict[str, Row]()
    for label in os.environ.get("ENGINES", "").split() or wanted():
        engine = obtain(label)
        with two_hosts(engine) as cluster:
            for way in ways(engine):
                found[f"{engine.version} {way}"] = measure(cluster, WAYS[way], rounds)
                _show(f"{engine.version} {way}", found[f"{engine.version} {way}"])
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("names-%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(json.dumps({"rounds": rounds, "ways": found}, indent=1) + "\n")
    print(f"\nwritten to {path.relative_to(REPOSITORY)}")
    return 0


def _show(title: str, row: Row) -> None:
    print(f"\n{title}, ms")
    for key, value in row.items():
        print(f"  {key:36} {value if isinstance(value, str) else format(value, '8.1f')}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
