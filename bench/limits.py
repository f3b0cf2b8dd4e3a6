"""Measures limits of rates: what passes at each rate, how long a ping takes beside it, and what limits cost.

    ROUNDS=3 python -m bench.limits

Two containers on the kernel of this machine, in namespaces of this command's own, one of them with limits. A rate is
right within 15 %: exits with 1 if the best window of a rate is below that, or the mean is above it. A window may have
more, as bytes wait in the receiver's socket on a busy machine, which may not reach 1 Gbit either.

Endpoints without limits, with one and with two are made in turns; messages to the kernel are counted. Needs root.
"""

import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

from netlink.request import Requests
from plugin.protocol.change_messages import SetOptions
from plugin.protocol.messages import CreateEndpoint, EndpointOptions, EndpointRef, Interface
from tests.kernel.container import Container, sh
from tests.kernel.namespaces import enter_fresh_namespace
from tests.kernel.pynet import Pynet
from tests.kernel.rates import MBIT, rates, stream
from tests.unit import requests as rq

SPEEDS = (10, 100, 1000)  # Mbit a second
WITHIN = 0.15
ADDRESSES = ("10.9.0.2", "10.9.0.3")
KINDS: Mapping[str, Mapping[str, str]] = {
    "no limit": {},
    "rate_in": {"pynet.rate_in": "10mbit"},
    "rate_in and rate_out": {"pynet.rate_in": "10mbit", "pynet.rate_out": "10mbit"},
}


class CountedRequests(Requests):
    """Counts the datagrams to the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @contextmanager
    def _socket(self) -> Iterator[object]:  # type: ignore[override]
        self.count += 1
        with super()._socket() as sock:
            yield sock


def speeds(rounds: int) -> bool:
    """Print what passes, by rate and direction; return whether all of it is right."""
    right, two = True, (Container(), Container())
    pynet = Pynet()
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/24"))
    for number, container in enumerate(two):
        pynet.attach(container, rq.NETWORK_ID, number + 2)
    print("rate and direction      best   mean   ping beside it: least / mean / highest / deviation, ms")
    for speed in SPEEDS:
        for direction in ("in", "out"):
            found, ping = _limited(pynet, two, direction, speed, rounds)
            parts = [one / (speed * MBIT) for one in found]
            mean = statistics.mean(parts)
            right &= max(parts) >= 1 - WITHIN and mean <= 1 + WITHIN
            print(f"{speed:5} Mbit {direction:4} {max(parts):12.2f} {mean:6.2f}   {ping}")
    pynet.end()
    pynet.close()
    for container in two:
        container.end()
    return right


def _limited(
    pynet: Pynet, two: tuple[Container, Container], direction: str, speed: int, rounds: int
) -> tuple[list[float], str]:
    """Return the bytes a second of each window through a limit of the first container, and a ping beside them."""
    options = {"rate_in": "off", "rate_out": "off", f"rate_{direction}": f"{speed}mbit"}
    pynet.live.set_options(SetOptions(rq.NETWORK_ID, "02" * 32, options))
    sender, receiver = two if direction == "out" else two[::-1]
    address = ADDRESSES[1] if direction == "out" else ADDRESSES[0]
    shown: list[str] = []
    with stream(sender, receiver, address) as connection:
        ping = threading.Thread(target=lambda: shown.append(sender.sh(f"ping -q -i 0.05 -c 40 {address}")))
        ping.start()
        found = rates(connection, windows=4 * rounds)
        ping.join()
    return found, shown[0].rpartition(" = ")[2].strip().replace("/", " / ")


def costs(rounds: int) -> None:
    """Print what it costs to make an endpoint, with limits and without, in turns."""
    requests = CountedRequests()
    pynet = Pynet(requests=requests)
    pynet.driver.create_network(rq.network(rq.NETWORK_ID, "10.9.0.1/16"))
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    messages: dict[str, set[int]] = {kind: set() for kind in KINDS}
    for number in range(20 * rounds):
        for place, (kind, own) in enumerate(KINDS.items()):
            address = rq.endpoint(f"10.9.{1 + place}.{number + 1}/16").interface.address
            reference = EndpointRef(rq.NETWORK_ID, f"{place:02x}{number:04x}" + "e" * 58)
            request = CreateEndpoint(*_ids(reference), Interface(address), EndpointOptions(driver_opts=dict(own)))
            before, start = requests.count, time.perf_counter()
            pynet.driver.create_endpoint(request)
            seconds[kind].append(time.perf_counter() - start)
            messages[kind].add(requests.count - before)
    print("\none endpoint             datagrams    least   median, ms")
    for kind, taken in seconds.items():
        sent = "-".join(map(str, sorted(messages[kind])))
        print(f"{kind:24} {sent:>9} {min(taken) * 1e3:8.2f} {statistics.median(taken) * 1e3:8.2f}")
    pynet.end()
    pynet.close()


def _ids(reference: EndpointRef) -> tuple[str, str]:
    return reference.network_id, reference.endpoint_id


def main() -> int:
    """Measure, and return the status of the process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    rounds = int(os.environ.get("ROUNDS", "3"))
    enter_fresh_namespace()
    sh("ip link set lo up")
    right = speeds(rounds)
    costs(rounds)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
