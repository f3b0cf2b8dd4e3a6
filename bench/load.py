"""Drives pynet as an engine does, by its protocol alone: networks of ten endpoints with published ports.

The containers' ends of links stay in the namespace of pynet, as moving one takes the kernel 20 ms and pynet nothing.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any

from tests.kernel.served import Served

ENDPOINTS = 10  # of a network
PORTS = 15  # of a network: its endpoints have one and two in turns
FIRST_PORT = 10000
NET, IPAM = "NetworkDriver.", "IpamDriver."


class Load:
    """Makes and removes networks one call after the other, and keeps the milliseconds of each verb in order.

    ``around`` returns a block for a call of a verb (``bench.slow``).
    """

    def __init__(self, pynet: Served, around: Callable[[str], AbstractContextManager[object]] = nullcontext) -> None:
        self._pynet = pynet
        self._around = around
        self._ports = count(FIRST_PORT)
        self.growing: dict[str, list[float]] = {}  # by verb, from no network to all
        self.shrinking: dict[str, list[float]] = {}  # by verb, from all to none
        self.pools: list[tuple[str, list[str]]] = []  # of each network: the pool and the addresses taken from it

    def grow(self, number: int) -> None:
        """Make networks until there are ``number``."""
        for index in range(len(self.pools), number):
            pool = self._grow(
                "RequestPool", IPAM, AddressSpace="pynet-local", Pool="", SubPool="", Options={}, V6=False
            )
            taken = [self._address(pool["PoolID"], gateway=True)]
            data = {"AddressSpace": "pynet-local", "Pool": pool["Pool"], "Gateway": taken[0]}
            options = {"com.docker.network.enable_ipv6": False, "com.docker.network.generic": {}}
            self._grow("CreateNetwork", NetworkID=network_id(index), Options=options, IPv4Data=[data], IPv6Data=[])
            for place in range(ENDPOINTS):
                taken.append(self._address(pool["PoolID"], gateway=False))
                self._start(index, place, taken[-1])
            self.pools.append((pool["PoolID"], taken))

    def shrink(self) -> None:
        """Remove everything, the newest network first."""
        for index, (pool, taken) in reversed(list(enumerate(self.pools))):
            for place in range(ENDPOINTS):
                self._shrink("Leave", **ids(index, place))
                self._shrink("DeleteEndpoint", **ids(index, place))
            self._shrink("DeleteNetwork", NetworkID=network_id(index))
            for address in taken:
                self._shrink("ReleaseAddress", IPAM, PoolID=pool, Address=address.partition("/")[0])
            self._shrink("ReleasePool", IPAM, PoolID=pool)
        self.pools.clear()

    def _start(self, index: int, place: int, address: str) -> None:
        interface = {"Address": address, "AddressIPv6": "", "MacAddress": ""}
        self._grow("CreateEndpoint", **ids(index, place), Interface=interface, Options={})
        sandbox = f"/var/run/docker/netns/{index:06x}{place:06x}"
        self._grow("Join", **ids(index, place), SandboxKey=sandbox, Options={})
        ports = [
            binding(next(self._ports)) for _ in range(PORTS * (place + 1) // ENDPOINTS - PORTS * place // ENDPOINTS)
        ]
        options = {"com.docker.network.portmap": ports}
        self._grow("ProgramExternalConnectivity", **ids(index, place), Options=options)

    def _address(self, pool: str, *, gateway: bool) -> str:
        options = {"RequestAddressType": "com.docker.network.gateway"} if gateway else {}
        return str(self._grow("RequestAddress", IPAM, PoolID=pool, Address="", Options=options)["Address"])

    def _grow(self, verb: str, protocol: str = NET, **body: Any) -> dict[str, Any]:
        return self._timed(self.growing, verb, protocol, body)

    def _shrink(self, verb: str, protocol: str = NET, **body: Any) -> None:
        self._timed(self.shrinking, verb, protocol, body)

    def _timed(self, times: dict[str, list[float]], verb: str, protocol: str, body: dict[str, Any]) -> dict[str, Any]:
        start = time.perf_counter()
        with self._around(verb):
            reply = self._pynet.call(protocol + verb, **body)
        times.setdefault(verb, []).append((time.perf_counter() - start) * 1000)
        if reply.get("Err"):
            raise RuntimeError(f"{verb}: {reply['Err']}")
        return reply


def network_id(index: int) -> str:
    """Return the id of a network."""
    return f"{index:08x}" * 8


def ids(index: int, place: int) -> dict[str, str]:
    """Return the two ids of an endpoint."""
    return {"NetworkID": network_id(index), "EndpointID": f"{index:06x}{place:02x}" * 8}


def binding(port: int) -> dict[str, Any]:
    """Return the wish for one port."""
    return {"Proto": 6, "IP": "", "Port": 80, "HostIP": "", "HostPort": port, "HostPortEnd": port}


def rows(load: Load) -> Iterator[dict[str, Any]]:
    """Yield a row for each verb: milliseconds with few and with many networks, and of the slowest calls."""
    for verb, times in load.growing.items():
        yield {"verb": verb} | summary(times)
    for verb, times in load.shrinking.items():
        yield {"verb": verb} | summary(times[::-1])


def summary(times: list[float]) -> dict[str, float]:
    """Return the medians of the first and the last tenth, their ratio, the 99th percentile and the maximum."""
    tenth = max(1, len(times) // 10)
    few, many = statistics.median(times[:tenth]), statistics.median(times[-tenth:])
    slow = sorted(times)[math.ceil(len(times) * 0.99) - 1]
    return {"calls": len(times), "few": few, "many": many, "many/few": many / few, "p99": slow, "max": max(times)}


def until(condition: Callable[[], bool], patience: float = 120.0) -> float:
    """Return the seconds until ``condition`` holds.

    Raises:
        TimeoutError: it did not hold within ``patience`` seconds.
    """
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > patience:
            raise TimeoutError(f"not after {patience:.0f} s")
        time.sleep(0.01)
    return time.perf_counter() - start
