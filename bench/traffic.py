"""One TCP connection on several ways: throughput, CPU and round trips of each driver, in turns.

The host's ``bridge-nf-call-iptables`` and ``-ip6tables`` are 0 and 1. The outside is a network namespace behind a veth
pair, a link that takes packets of up to 64 kB as most do.
"""

import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field

from bench.streaming import UNITS, Figures, stream
from tests.engine.lab.host import Host
from tests.engine.lab.outside import LINK, OUTSIDE4, Outside
from tests.engine.lab.scene import Container, Scene

BUILT_IN = "bridge"
DRIVERS: Mapping[str, tuple[str, Sequence[str]]] = {
    BUILT_IN: ("bridge", ()),
    "auto": ("pynet", ()),
    "on": ("pynet", ("-o", "pynet.gso=on")),
    "off": ("pynet", ("-o", "pynet.gso=off")),
}
SETTING = "net.bridge.bridge-nf-call-iptables={0} net.bridge.bridge-nf-call-ip6tables={0}"
PUBLISHED = "198.51.100.{}"  # an address of the host for each driver, as all publish the same port
Way = tuple[Sequence[str], Sequence[str], str]  # commands to enter the sender's and the receiver's namespace, address


@dataclass(frozen=True, slots=True)
class Row:
    """One figure on one ``way``, by driver; ``ratios`` are those to the built-in driver within a round."""

    way: str
    filtered: int  # bridge-nf-call-iptables
    figure: str
    values: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)


def rows(host: Host, rounds: int) -> list[Row]:
    """Measure every way with every driver; a round takes forty seconds."""
    with ExitStack() as stack:
        outside = stack.enter_context(Outside(host))
        ways = {}
        for number, (name, (driver, options)) in enumerate(DRIVERS.items()):
            scene = Scene(host, driver)
            stack.callback(scene.close)
            ways[name] = _ways(scene, outside, options, PUBLISHED.format(10 + number))
        return _measure(host, ways, rounds)


def _ways(scene: Scene, outside: Outside, options: Sequence[str], address: str) -> dict[str, Way]:
    """Make the networks and containers of one driver, and return where its streams go."""
    host = scene.host
    host.net("ip", "address", "add", f"{address}/24", "dev", LINK)
    net, internal = scene.network(*options), scene.network("--internal", *options)
    server, client = scene.container(net, "-p", f"{address}:5201:5201"), scene.container(net)
    near, far = scene.containers(internal, 2)
    here = ["nsenter", "-t", str(host.pid), "-n", "--"]
    return {
        "container to container": (_enter(client), _enter(server), server.ip(net)),
        "container to container, --internal": (_enter(far), _enter(near), near.ip(internal)),
        "host to container": (here, _enter(server), server.ip(net)),
        "container to outside": (_enter(client), outside.enter(), OUTSIDE4),
        "outside to published port": (outside.enter(), _enter(server), address),
    }


def _enter(container: Container) -> Sequence[str]:
    return ["nsenter", f"--net={container.namespace}", "--"]


def _measure(host: Host, ways: Mapping[str, Mapping[str, Way]], rounds: int) -> list[Row]:
    found: list[Row] = []
    for filtered in (0, 1):
        host.net("sysctl", "-qw", *SETTING.format(filtered).split())
        for way in ways[BUILT_IN]:
            turns: dict[str, list[Figures]] = {name: [] for name in ways}
            for number in range(rounds):
                for name in sorted(ways, reverse=bool(number % 2)):
                    turns[name].append(stream(*ways[name][way]))
            found += [_row(way, filtered, figure, turns) for figure in UNITS]
    return found


def _row(way: str, filtered: int, figure: str, turns: Mapping[str, Sequence[Figures]]) -> Row:
    series = {name: [asdict(each)[figure] for each in figures] for name, figures in turns.items()}
    ratios = {
        name: statistics.median(own / other for own, other in zip(values, series[BUILT_IN], strict=True))
        for name, values in series.items()
        if name != BUILT_IN
    }
    return Row(way, filtered, figure, {name: statistics.median(values) for name, values in series.items()}, ratios)


def table(found: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    own = [name for name in DRIVERS if name != BUILT_IN]
    heads = ["way", "nf-call", "unit", *DRIVERS, *(f"{name}/{BUILT_IN}" for name in own)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in found:
        digits = 0 if row.figure == "rate" else 2
        cells = [row.way, str(row.filtered), UNITS[row.figure]]
        cells += [f"{row.values[name]:.{digits}f}" for name in DRIVERS] + [f"{row.ratios[name]:.2f}" for name in own]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
