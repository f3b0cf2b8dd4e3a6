"""Hundreds of networks and containers that come and go: nothing may grow.

python -m tests.torture.cycles [CYCLES] [ENGINE]
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.ports import container, network
from bench.report import memory
from tests.engine.lab import image, service
from tests.engine.lab.api import Api
from tests.engine.lab.engines import obtain, wanted
from tests.engine.lab.host import Host
from tests.engine.lab.process import wait_until
from tests.engine.lab.service import Pynet
from tests.engine.lab.snapshot import listening
from tests.rules import without_drops
from tests.torture import crowd
from tests.torture.containers import SOCKET

REST = 10.0  # seconds after which pynet has nothing more to do
WARM = 50  # cycles after which everything is loaded
STORE = 51  # files at most: 16 readers and a writer, which are opened when several requests read at the same time
THREADS = 4  # more at most: one is made when two requests meet for the first time
GROWTH = 1.15  # memory at the end may be so many times what it was when warm


@dataclass(slots=True)
class Growth:
    """The counts after warming up, and at the end."""

    engine: str
    cycles: int
    warm_after: int = WARM
    warm: dict[str, float] = field(default_factory=dict)
    end: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def faults(self) -> list[str]:
        """The counts that grew."""
        grown = [key for key in self.warm if not self.least(key) <= self.end[key] <= self.most(key)]
        return [
            f"{key}: {self.warm[key]:g} after {self.warm_after} cycles, {self.end[key]:g} at the end" for key in grown
        ]

    def least(self, key: str) -> float:
        """Return the least count of ``key`` at the end."""
        return 0.0 if key == "memory" else self.warm[key]

    def most(self, key: str) -> float:
        """Return the greatest count of ``key`` at the end."""
        more = {"memory": GROWTH * self.warm["memory"], "files of the store": STORE}
        return (more | {"threads": self.warm["threads"] + THREADS}).get(key, self.warm[key])


def cycle(api: Api) -> None:
    """Make a network, run a container with a port on it, remove both."""
    with network(api, "pynet", "cycle") as net:
        box = container(api, net, 1)
        api.call("POST", f"/containers/{box}/start")
        api.call("DELETE", f"/containers/{box}?force=1")


def count(host: Host, pynet: Pynet) -> dict[str, float]:
    """Count the resources of pynet, once it has finished its work."""
    if crowd.NETWORKS:
        time.sleep(REST)  # its tables stay
    else:
        wait_until(lambda: "pynet" not in host.net("nft", "list", "tables"), "pynet to be at rest")
    files = [str(entry.readlink()) for pid in pynet.pids for entry in Path(f"/proc/{pid}/fd").iterdir()]
    of_the_store = [file for file in files if "pynet.db" in file]
    return {
        "links": len(host.net("ip", "-o", "link").splitlines()),
        "rules": len(without_drops(host.net("nft", "list", "ruleset")).splitlines()),
        "listening": len(listening(host)),
        "files": len(files) - len(of_the_store),
        "files of the store": len(of_the_store),
        "sockets": len([file for file in files if file.startswith("socket:")]),
        "threads": sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pynet.pids),
        "memory": round(memory(pynet.pids), 1),
    }


def grow(label: str, cycles: int = 500, warm: int = WARM) -> Growth:
    """Run ``cycles`` on an engine, and compare the end with the counts after ``warm`` of them."""
    begin = time.monotonic()
    with Host(obtain(label), "torture") as host:
        host.start_engine()
        image.load(host.docker)
        pynet = service.pynet(host)
        pynet.start()
        crowd.gather(crowd.beside(host.path(SOCKET)))
        found = Growth(host.engine.version, cycles, warm_after=warm)
        for number in range(1, cycles + 1):
            cycle(host.api)
            if number == warm:
                found.warm = count(host, pynet)
        found.end = count(host, pynet)
        pynet.stop()
    found.seconds = time.monotonic() - begin
    return found


def lines(found: Growth) -> list[str]:
    """Say it in words."""
    figures = [
        f"{key}: {value:g} after {found.warm_after}, {found.end[key]:g} at the end" for key, value in found.warm.items()
    ]
    return [f"{found.cycles} cycles on {found.engine}, {found.seconds:.0f} s", *figures]


def main(argv: list[str]) -> int:
    """Print the result; return 1 if something grew."""
    found = grow(argv[1] if len(argv) > 1 else wanted()[-1], int(argv[0]) if argv else 500)
    print("\n  ".join(lines(found)))
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
