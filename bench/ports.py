"""Published ports, many networks and many starts at once: rows of the table beside the life of one network."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.engine.lab import image
from tests.engine.lab.api import Api

FIRST = 20000  # number of the first published port
AT_ONCE = 20  # containers
SETTLE = 1.5  # seconds in which what was removed before is deleted by the kernel


@contextmanager
def network(api: Api, driver: str, name: str = "") -> Iterator[str]:
    """Make a network, and remove it after the block."""
    wish = {"Name": name or f"bench-{driver}", "Driver": driver}
    created = api.call("POST", "/networks/create", wish)["Id"]
    yield created
    api.call("DELETE", f"/networks/{created}")


def container(api: Api, net: str, ports: int = 0) -> str:
    """Create a container that publishes ``ports`` ports, each under its own number."""
    numbers = [f"{FIRST + number}/tcp" for number in range(ports)]
    host = {
        "NetworkMode": net,
        "LogConfig": {"Type": "none"},
        "PortBindings": {number: [{"HostPort": number.partition("/")[0]}] for number in numbers},
    }
    wish = {
        "Image": image.NAME,
        "Cmd": ["sleep", "86400"],
        "StopSignal": "SIGKILL",
        "ExposedPorts": {number: {} for number in numbers},
        "HostConfig": host,
    }
    return str(api.call("POST", "/containers/create", wish)["Id"])


def took(call: Callable[[], object]) -> float:
    """Return the milliseconds that ``call`` takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def start_and_stop(api: Api, driver: str, ports: int) -> tuple[float, float]:
    """Start and stop a container with ``ports`` ports; milliseconds."""
    with network(api, driver) as net:
        box = container(api, net, ports)
        started = took(lambda: api.call("POST", f"/containers/{box}/start"))
        stopped = took(lambda: api.call("POST", f"/containers/{box}/stop?t=0"))
        api.call("DELETE", f"/containers/{box}?force=1")
    return started, stopped


def many_starts(make_api: Callable[[], Api], driver: str) -> float:
    """Start twenty containers at once on one network; milliseconds until all run."""
    api = make_api()
    with network(api, driver) as net:
        boxes = [container(api, net) for _ in range(AT_ONCE)]

        def start(box: str) -> None:
            own = make_api()
            own.call("POST", f"/containers/{box}/start")
            own.close()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            total = took(lambda: list(pool.map(start, boxes)))
        for box in boxes:
            api.call("DELETE", f"/containers/{box}?force=1")
    api.close()
    return total


def with_many_networks(api: Api, driver: str, number: int, tries: int) -> tuple[float, float]:
    """Return the median milliseconds of a creation with no other network, and with ``number`` others."""
    time.sleep(SETTLE)
    first = statistics.median(_creations(api, driver, tries))
    made = [api.call("POST", "/networks/create", _wish(driver, index))["Id"] for index in range(number)]
    time.sleep(SETTLE)
    last = statistics.median(_creations(api, driver, tries))
    for net in made:
        api.call("DELETE", f"/networks/{net}")
    return first, last


def _wish(driver: str, index: int) -> dict[str, Any]:
    subnet = f"10.{100 + index // 200}.{index % 200}.0/24"
    return {"Name": f"many-{driver}-{index}", "Driver": driver, "IPAM": {"Config": [{"Subnet": subnet}]}}


def _creations(api: Api, driver: str, tries: int) -> Sequence[float]:
    times = []
    for _ in range(tries):
        wish = _wish(driver, 9000)
        start = time.perf_counter()
        created = api.call("POST", "/networks/create", wish)["Id"]
        times.append((time.perf_counter() - start) * 1000)
        api.call("DELETE", f"/networks/{created}")
    return times
