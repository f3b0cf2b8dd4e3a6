"""Measures what it costs to move a link into a network namespace, by the kind and the state of the link.

    ROUNDS=20 python -m bench.moves

The engine moves the link of every remote driver into the container; Docker's own bridge driver makes its link there.
The links are made in turns, between two namespaces of this command's own. Needs root.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from pyroute2 import IPRoute  # noqa: TID251 - measures the kernel without pynet's layers

from tests.kernel.container import Container
from tests.kernel.namespaces import enter_fresh_namespace

REST = 0.03  # seconds, so that one link's deletion is over before the next one is made


class Mover:
    """Makes links here and moves them to ``there``, or makes them there."""

    def __init__(self, kernel: IPRoute, there: int) -> None:
        self._kernel = kernel
        self._there = there
        self._numbers = count()
        kernel.link("add", ifname="bridge", kind="bridge", state="up")
        self._bridge = self._index("bridge")

    def _index(self, name: str) -> int:
        return int(self._kernel.link_lookup(ifname=name)[0])

    def moved(self, *, bridged: bool = True, up: bool = False, ipv6: bool = True, **wanted: int) -> float:
        """Make a pair whose ends have the attributes ``wanted``, and return the seconds of moving one end."""
        number = next(self._numbers)
        own, other = f"own{number}", f"other{number}"
        self._kernel.link("add", ifname=own, kind="veth", peer={"ifname": other} | wanted, **wanted)
        if not ipv6:
            self._kernel.link("set", index=self._index(other), mtu=1279)  # below the least MTU of IPv6
        if bridged:
            self._kernel.link("set", index=self._index(own), master=self._bridge, state="up")
        if up:
            self._kernel.link("set", index=self._index(other), state="up")
        return self._timed(own, partial(self._kernel.link, "set", index=self._index(other), net_ns_fd=self._there))

    def other_kind(self) -> float:
        """Return the seconds of moving a link that is no pair, and in no bridge."""
        name = f"own{next(self._numbers)}"
        self._kernel.link("add", ifname=name, kind="ifb")
        return self._timed("", partial(self._kernel.link, "set", index=self._index(name), net_ns_fd=self._there))

    def born(self) -> float:
        """Return the seconds of making a pair with one end there."""
        own = f"own{next(self._numbers)}"
        peer = {"ifname": own, "net_ns_fd": self._there}
        return self._timed(own, partial(self._kernel.link, "add", ifname=own, kind="veth", peer=peer))

    def _timed(self, own: str, work: Callable[[], object]) -> float:
        time.sleep(REST)
        start = time.perf_counter()
        work()
        took = time.perf_counter() - start
        if own:
            self._kernel.link("del", index=self._index(own))
        return took


def measure(pid: int, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each shape of link, which moves to the namespace of process ``pid``."""
    with Path(f"/proc/{pid}/ns/net").open("rb") as there, IPRoute() as kernel:
        mover = Mover(kernel, there.fileno())
        shapes: dict[str, Callable[[], float]] = {
            "veth, host end up in a bridge": mover.moved,
            "the same, and the moved end was up": partial(mover.moved, up=True),
            "host end down and in no bridge": partial(mover.moved, bridged=False),
            "without IPv6": partial(mover.moved, ipv6=False),
            "one queue, no transmit queue": partial(mover.moved, num_tx_queues=1, num_rx_queues=1, txqlen=0),
            "another kind of link (ifb)": mover.other_kind,
            "veth made with one end there, not moved": mover.born,
        }
        found: dict[str, list[float]] = {name: [] for name in shapes}
        for _ in range(rounds):
            for name, shape in shapes.items():
                found[name].append(shape() * 1000)
    return found


def main() -> int:
    """Measure all shapes in turns and print a table."""
    if os.geteuid() != 0:
        print("bench: needs root, for namespaces of its own", file=sys.stderr)
        return 1
    enter_fresh_namespace()
    box = Container()
    try:
        found = measure(box.pid, int(os.environ.get("ROUNDS") or 20))
    finally:
        box.end()
    print("| link | median ms | shortest |\n|---|---|---|")
    for name, times in found.items():
        print(f"| {name} | {statistics.median(times):.1f} | {min(times):.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
