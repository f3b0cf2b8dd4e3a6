"""Rows beyond the life of one network: ports, many starts at once, many networks."""

import statistics
from dataclasses import dataclass
from functools import partial

from bench import ports
from bench.report import memory
from tests.engine.lab.api import Api
from tests.engine.lab.host import Host
from tests.engine.lab.service import Pynet

PAIR = ("bridge", "pynet")
SOME_PORTS, MANY_PORTS, MANY_NETWORKS, CREATIONS, PAIRS = 50, 500, 200, 9, 9


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: ``what`` of ``bridge`` and ``pynet``, in ``unit``, and pynet's part of the other."""

    what: str
    unit: str
    bridge: float
    pynet: float
    ratio: float


def rows(host: Host, pynet: Pynet, rounds: int) -> list[Row]:
    """Measure everything; the built-in driver publishes 500 ports only once, as that takes it a minute."""
    found = [*_few_ports(host.api, 1, rounds), *_few_ports(host.api, SOME_PORTS, max(3, rounds // 4))]
    found += _at_once(host, max(3, rounds // 4))
    found += _many_networks(host.api)
    return found + _many_ports(host.api, pynet, found[0].bridge)


def _compared(what: str, unit: str, bridge: list[float], pynet: list[float]) -> Row:
    ratio = statistics.median(own / other for own, other in zip(pynet, bridge, strict=True))
    return Row(what, unit, statistics.median(bridge), statistics.median(pynet), ratio)


def _few_ports(api: Api, number: int, rounds: int) -> list[Row]:
    times: dict[str, list[tuple[float, float]]] = {driver: [] for driver in PAIR}
    for turn in range(rounds):
        for driver in PAIR if turn % 2 else reversed(PAIR):
            times[driver].append(ports.start_and_stop(api, driver, number))
    starts, stops = ({driver: [pair[i] for pair in times[driver]] for driver in PAIR} for i in (0, 1))
    what = "one port" if number == 1 else f"{number} ports"
    return [
        _compared(f"start, {what}", "ms", starts["bridge"], starts["pynet"]),
        _compared(f"stop, {what}", "ms", stops["bridge"], stops["pynet"]),
    ]


def _at_once(host: Host, rounds: int) -> list[Row]:
    drivers = (*PAIR, "floor")
    times: dict[str, list[float]] = {driver: [] for driver in drivers}
    for number in range(rounds):
        for driver in drivers if number % 2 else reversed(drivers):
            times[driver].append(ports.many_starts(partial(Api, host.socket), driver))
    what = f"{ports.AT_ONCE} starts at once"
    return [
        _compared(what, "ms", times["bridge"], times["pynet"]),
        _compared(f"{what}, the floor in the place of bridge", "ms", times["floor"], times["pynet"]),
    ]


def _many_networks(api: Api) -> list[Row]:
    """How much longer a creation takes with 200 networks there; the built-in driver is given 20, to end in time."""
    few, many = ports.with_many_networks(api, "pynet", MANY_NETWORKS, CREATIONS)
    built_few, built_many = ports.with_many_networks(api, "bridge", MANY_NETWORKS // 10, CREATIONS)
    what = f"create with {MANY_NETWORKS} networks ({MANY_NETWORKS // 10} of bridge) against the first"
    return [Row(what, "times", built_many / built_few, many / few, (many / few) / (built_many / built_few))]


def _many_ports(api: Api, pynet: Pynet, one_port: float) -> list[Row]:
    before = memory(pynet.pids)
    with ports.network(api, "pynet", "memory") as net:
        box = ports.container(api, net, MANY_PORTS)
        api.call("POST", f"/containers/{box}/start")
        grown = (memory(pynet.pids) - before) * 1024 / MANY_PORTS
        api.call("DELETE", f"/containers/{box}?force=1")
    pairs = [[ports.start_and_stop(api, "pynet", number) for number in (1, MANY_PORTS)] for _ in range(PAIRS)]
    start, stop = (statistics.median(many[i] for _, many in pairs) for i in (0, 1))
    against_one = statistics.median(many[0] / one[0] for one, many in pairs)
    built_start, built_stop = ports.start_and_stop(api, "bridge", MANY_PORTS)
    return [
        Row(f"start, {MANY_PORTS} ports", "ms", built_start, start, start / built_start),
        Row(f"stop, {MANY_PORTS} ports", "ms", built_stop, stop, stop / built_stop),
        Row(f"start, {MANY_PORTS} ports against one", "times", built_start / one_port, against_one, 0.0),
        Row("memory of pynet for a port", "kB", 0.0, grown, 0.0),
    ]
