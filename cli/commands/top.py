"""``pynet top``: traffic of containers and their published ports, as rates between two answers of pynet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import click

from cli.client.serving import NoAnswer, NotServing
from cli.commands.ports import joined
from cli.commands.selection import Selection
from cli.human import amount, count
from cli.listing import short_id
from cli.screen import Screen
from cli.tables import as_table
from plugin.engine.names import Known

Row = Mapping[str, Any]
Reply = Mapping[str, Any]  # to the verb Traffic
Port = tuple[str, str, int, int]  # protocol, address of the host, its port, port of the container
NAMES_EVERY = 5.0  # seconds between two questions for the name of something new
_COUNTS = ("Bytes", "Packets", "Drops", "Errors")
_HEADS = ("CONTAINER", "NETWORK", "IN", "OUT", "PKT/S IN", "PKT/S OUT", "DROPS", "CONN/S", "CONNECTIONS")
SORTS: Mapping[str, Callable[[Row], Any]] = {
    "bytes": lambda row: -_both(row, "bytes_per_second"),
    "packets": lambda row: -_both(row, "packets_per_second"),
    "drops": lambda row: (-_both(row, "drops_per_second"), -_both(row, "drops")),
    "connections": lambda row: (-(row["connections_per_second"] or 0), -(row["connections"] or 0)),
    "name": lambda _: 0,
}


class CurrentNames:
    """The engine's names, asked for again when something new has none."""

    def __init__(self, ask: Callable[[], Known]) -> None:
        self._ask = ask
        self._asked_at = 0.0
        self.known = ask()

    def about(self, reply: Reply) -> Known:
        """Return names that are new enough for ``reply``; the engine is not asked all the time for an unknown one."""
        new = {end["ID"] for network in reply["Networks"] for end in network["Endpoints"]} - set(self.known.containers)
        if new and reply["Time"] - self._asked_at >= NAMES_EVERY:
            self._asked_at, self.known = reply["Time"], self._ask()
        return self.known


def rates(before: Reply, after: Reply, names: Known, selection: Selection, sort: str) -> dict[str, Any]:
    """Return the document of ``pynet top``: totals of all chosen endpoints, and rates since ``before``."""
    seconds = max(after["Time"] - before["Time"], 0.001)
    earlier = {end["ID"]: end for network in before["Networks"] for end in network["Endpoints"]}
    rows = [
        _row(network, end, earlier.get(end["ID"], end), seconds) | _named(network, end, names)
        for network in after["Networks"]
        for end in network["Endpoints"]
        if selection.has(network["ID"], names.containers.get(end["ID"], ""), end["ID"])
    ]
    rows.sort(key=lambda row: (row["network_name"], row["container"], row["endpoint"]))
    rows.sort(key=SORTS[sort])
    return {"seconds": round(seconds, 3), "endpoints": rows}


def _named(network: Mapping[str, Any], end: Mapping[str, Any], names: Known) -> dict[str, Any]:
    return {
        "container": names.containers.get(end["ID"], ""),
        "network_name": names.networks.get(network["ID"], ""),
    }


def _row(
    network: Mapping[str, Any], end: Mapping[str, Any], earlier: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    known = {_key(port): port["Connections"] for port in earlier["Ports"]}
    ports = [_port(port, known.get(_key(port)), seconds) for port in end["Ports"]]
    return {
        "container": "",
        "network_name": "",
        "endpoint": end["ID"],
        "network": network["ID"],
        "link": end["Link"],
        "in": _direction(end["In"], earlier["In"], seconds),
        "out": _direction(end["Out"], earlier["Out"], seconds),
        "connections": _sum(port["connections"] for port in ports),
        "connections_per_second": _sum(port["connections_per_second"] for port in ports),
        "ports": ports,
    }


def _direction(
    now: Mapping[str, int] | None, before: Mapping[str, int] | None, seconds: float
) -> dict[str, Any] | None:
    """Return totals and rates; without an earlier count, as of a new endpoint, the rates are 0."""
    if now is None:
        return None
    found: dict[str, Any] = {key.lower(): now[key] for key in _COUNTS}
    for key in _COUNTS[:3]:
        found[f"{key.lower()}_per_second"] = _rate(now[key], now[key] if before is None else before[key], seconds)
    return found


def _rate(now: int, before: int, seconds: float) -> float:
    return round(max(0, now - before) / seconds, 1)


def _port(port: Mapping[str, Any], before: int | None, seconds: float) -> dict[str, Any]:
    now = port["Connections"]
    return {
        "proto": port["Proto"],
        "host_ip": port["HostIP"],
        "host_port": port["HostPort"],
        "container_ip": port["ContainerIP"],
        "container_port": port["ContainerPort"],
        "connections": now,
        "connections_per_second": None if now is None else _rate(now, now if before is None else before, seconds),
    }


def _key(port: Mapping[str, Any]) -> Port:
    return port["Proto"], port["HostIP"], port["HostPort"], port["ContainerPort"]


def _sum(values: Iterator[Any]) -> Any:
    """Return the sum of the known values, None if there is none."""
    known = [value for value in values if value is not None]
    return round(sum(known), 1) if known else None


def as_text(document: Mapping[str, Any]) -> str:
    """Return a table: a line for each endpoint, with a line for each of its published ports below it."""
    lines = [list(_HEADS)]
    for row in document["endpoints"]:
        lines.append(_cells(row))
        lines += [_port_cells(*port) for port in _joined_ports(row["ports"])]
    return as_table(lines)


def summary(document: Mapping[str, Any]) -> str:
    """Return a line with the sums of all rows."""
    rows = document["endpoints"]
    sums = {way: sum(row[way]["bytes_per_second"] for row in rows if row[way]) for way in ("in", "out")}
    return f"{count(len(rows), 'endpoint')}, in {_bytes(sums['in'])}, out {_bytes(sums['out'])}"


def has_new_drops(document: Mapping[str, Any]) -> bool:
    """Return whether packets were dropped in the interval."""
    return any(_both(row, "drops_per_second") for row in document["endpoints"])


def draw(screen: Screen, document: Mapping[str, Any], *, colour: bool) -> None:
    """Draw the sums and the table; the heads are bold, and the sums yellow while packets are dropped."""
    dropping = has_new_drops(document)

    def style(number: int, line: str) -> str:
        if number == 0:
            return click.style(line, fg="yellow") if dropping else line
        return click.style(line, bold=True) if number == 1 else line

    screen.draw(f"{summary(document)}\n{as_text(document)}", style if colour else lambda _, line: line)


def _cells(row: Row) -> list[str]:
    ways = row["in"], row["out"]
    return [
        row["container"] or short_id(row["endpoint"]),
        row["network_name"] or short_id(row["network"]),
        *(_bytes(way["bytes_per_second"]) if way else "-" for way in ways),
        *(amount(way["packets_per_second"]).rstrip() if way else "-" for way in ways),
        str(_both(row, "drops")),
        *_connections(row["connections_per_second"], row["connections"]),
    ]


def _port_cells(label: str, per_second: float | None, total: int | None) -> list[str]:
    return [f"  {label}", *[""] * (len(_HEADS) - 3), *_connections(per_second, total)]


def _connections(per_second: float | None, total: int | None) -> list[str]:
    return ["-" if per_second is None else amount(per_second).rstrip(), "-" if total is None else str(total)]


def _joined_ports(ports: Sequence[Row]) -> list[tuple[str, float | None, int | None]]:
    """Return a line for each published port; the one for all addresses of the host is one for both families."""
    by_place: dict[str, list[Row]] = {}
    for port in ports:
        to = f"{port['container_port']}/{port['proto']}"
        anywhere = port["host_ip"] in {"0.0.0.0", "::"}  # noqa: S104 - no address to bind
        host = str(port["host_port"]) if anywhere else joined(port["host_ip"], port["host_port"])
        by_place.setdefault(f"{host}->{to}" if port["host_ip"] else to, []).append(port)
    return [
        (place, _sum(one["connections_per_second"] for one in some), _sum(one["connections"] for one in some))
        for place, some in by_place.items()
    ]


def _both(row: Row, key: str) -> Any:
    return sum(row[way][key] for way in ("in", "out") if row[way])


def _bytes(number: float) -> str:
    return f"{amount(number)}B/s"


def changes(read: Callable[[], Reply], pause: Callable[[], object]) -> Iterator[tuple[Reply, Reply]]:
    """Yield pairs of answers that follow each other, for ever; while pynet restarts there are none."""
    before = read()
    while True:
        pause()
        with suppress(NotServing, NoAnswer):
            after = read()
            yield before, after
            before = after
