"""``pynet flows``: the connections that the kernel tracks, with the names of networks and containers."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from typing import Any

import click

from cli.client.serving import asking
from cli.commands.address_book import AddressBook
from cli.commands.name_book import name_book
from cli.commands.needs_root import needs_root
from cli.commands.ports import joined
from cli.commands.selection import select
from cli.engine.api import known_names
from cli.human import amount
from cli.tables import padded
from netlink.flows import Events, Flow, Match, Side, Traversed, listed
from netlink.nft_elements import PROTOCOLS
from netlink.sysctl import FOLDER

Row = Mapping[str, Any]
AT_ONCE = 1000  # rows that are in memory, and whose columns are as wide as their widest cell
FEW = 8  # addresses for which the kernel is asked one by one
_NAMES = {number: name for name, number in PROTOCOLS.items()}
_HEADS = ("PROTO", "FROM", "TO", "PUBLISHED", "STATE", "SENT", "BACK", "EXPIRES")
NOT_COUNTED = "note: bytes are not counted; 'sysctl -w net.netfilter.nf_conntrack_acct=1' counts those of new flows"
NOT_TRACKED = (
    "note: traffic between containers of one network does not pass connection tracking and is not listed; 'pynet top' "
    "counts it, and 'pynet capture' shows it"
)

EVENTS_LOST = "note: flows began and ended faster than they could be printed; some are missing"


@dataclass(frozen=True, slots=True)
class FlowFilter:
    """A protocol by number, 0 for all, and a port: of the container, or the one at which it is published; 0 for all."""

    proto: int = 0
    port: int = 0

    def has(self, flow: Flow) -> bool:
        """Return whether a flow is wanted."""
        of_port = not self.port or self.port in {flow.destination.port, flow.target.port}
        return of_port and self.proto in {0, flow.proto}


def flows_of(book: AddressBook, wanted: FlowFilter, read: Callable[[Match], Iterator[Flow]]) -> Iterator[Flow]:
    """Yield the wanted flows of the chosen addresses; the kernel selects those of a few IPv4 addresses itself."""
    ipv4 = sorted(address for address in book.chosen if len(address) == 4)
    some = [Match(wanted.proto, version=6)] * (len(book.chosen) > len(ipv4))
    with needs_root("list the flows that the kernel tracks"):
        if len(ipv4) > FEW:
            some = [Match(wanted.proto)]
        else:
            for address in ipv4:
                yield from (flow for flow in read(Match(wanted.proto, source=address)) if _of(flow, address, wanted))
            for address in ipv4:
                for flow in read(Match(wanted.proto, target=address)):
                    if flow.source.address not in book.chosen and flow.target.address == address and wanted.has(flow):
                        yield flow
        for match in some:
            yield from (flow for flow in read(match) if book.concerns(_ends(flow)) and wanted.has(flow))


def _ends(flow: Flow) -> tuple[bytes, ...]:
    return flow.source.address, flow.target.address, flow.destination.address


def _of(flow: Flow, address: bytes, wanted: FlowFilter) -> bool:
    return flow.source.address == address and wanted.has(flow)


def row_of(flow: Flow, book: AddressBook, now: float) -> Row:
    """Return a flow for scripts; ``now`` is in seconds since 1970."""
    translated = flow.destination != flow.target
    return {
        "proto": _NAMES.get(flow.proto, str(flow.proto)),
        "from": _side(flow.source, book),
        "to": _side(flow.target if translated else flow.destination, book),
        "published": {"address": _address(flow.destination), "port": flow.destination.port} if translated else None,
        "state": flow.state,
        "expires": flow.expires,
        "age": None if flow.started is None else max(0, round(now - flow.started / 1e9)),
        "sent": _counted(flow.there),
        "back": _counted(flow.back),
    }


def _side(side: Side, book: AddressBook) -> Row:
    who = book.find(side.address)
    return {"address": _address(side), "port": side.port, "container": who.label, "network": who.network_label}


def _address(side: Side) -> str:
    return str(ip_address(side.address))


def _counted(what: Traversed | None) -> Row | None:
    return None if what is None else {"packets": what.packets, "bytes": what.bytes}


def tables(rows: Iterable[Row]) -> Iterator[str]:
    """Yield a table in parts of ``AT_ONCE`` rows; columns only grow. The rows of one part are sorted."""
    cells = [list(_HEADS)]
    widths = [0] * len(_HEADS)
    every = iter(rows)
    while some := list(islice(every, AT_ONCE)):
        cells += sorted(_cells(row) for row in some)
        widths = [max(width, *map(len, column)) for width, column in zip(widths, zip(*cells, strict=True), strict=True)]
        yield padded(cells, widths)
        cells = []
    if cells:
        yield padded(cells, list(map(len, _HEADS)))


def documents(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the parts of one JSON document with all rows."""
    yield "[\n"
    for number, row in enumerate(rows):
        yield (",\n  " if number else "  ") + json.dumps(row)
    yield "\n]\n"


def _cells(row: Row) -> list[str]:
    published = row["published"]
    return [
        row["proto"],
        _text(row["from"], row["proto"]),
        _text(row["to"], row["proto"]),
        joined(published["address"], published["port"]) if published else "-",
        row["state"],
        *(f"{amount(row[way]['bytes'])}B" if row[way] else "-" for way in ("sent", "back")),
        "-" if row["expires"] is None else f"{row['expires']} s",
    ]


def _text(side: Row, proto: str) -> str:
    """Return an end for people; what ICMP has in the place of a port says nothing."""
    name = str(side["container"] or side["address"])
    return name if proto.startswith("icmp") else joined(name, side["port"])


def event_line(row: Row) -> str:
    """Return a line for people about a flow that began or ended."""
    moment = datetime.fromtimestamp(row["time"]).astimezone().isoformat(timespec="milliseconds")
    by = f" by {joined(row['published']['address'], row['published']['port'])}" if row["published"] else ""
    counts = [f"{amount(row[way]['bytes'])}B {word}" for way, word in (("sent", "sent"), ("back", "back")) if row[way]]
    ended, ends = row["event"] == "end", [_text(row[side], row["proto"]) for side in ("from", "to")]
    more = [row["state"], *counts] if ended else []
    words = [moment, f"{row['event']:4}", row["proto"], f"{ends[0]} -> {ends[1]}{by}", *more]
    return " ".join(words).rstrip()


class Follower:
    """Turns events of the kernel into rows; ``clock`` returns seconds since 1970."""

    def __init__(self, book: AddressBook, wanted: FlowFilter, clock: Callable[[], float] = time.time) -> None:
        self._book = book
        self._wanted = wanted
        self._clock = clock

    def rows(self, events: Iterable[tuple[str, Flow | None]], lost: Callable[[], object]) -> Iterator[Row]:
        """Yield a row for each wanted event; ``lost`` is called when the kernel threw some away."""
        for kind, flow in events:
            if flow is None:
                lost()
                continue
            if not self._book.find(flow.target.address, flow.source.address).network:
                self._book.look_again()  # nobody known has an end of it, who may be new
            if self._book.concerns(_ends(flow)) and self._wanted.has(flow):
                now = self._clock()
                yield {"event": kind, "time": now, **row_of(flow, self._book, now)}


def notes(settings: Path = FOLDER) -> Iterator[str]:
    """Yield what the list lacks, by the settings of the kernel: counts, and traffic inside networks."""
    if _setting(settings / "net/netfilter/nf_conntrack_acct") == "0":
        yield NOT_COUNTED
    if _setting(settings / "net/bridge/bridge-nf-call-iptables") != "1":
        yield NOT_TRACKED


def _setting(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # the kernel has no such part
        return ""


def book_of(words: Sequence[str]) -> AddressBook:
    """Return the owners of addresses; ``words`` choose endpoints.

    Raises:
        KernelError, PynetError: nobody can answer, or a word names nothing.
    """
    read = asking("Networks")
    chosen = select(words, name_book(read()["Networks"])) if words else None
    return AddressBook(lambda: (read(), known_names()), time.monotonic, chosen)


def show(book: AddressBook, wanted: FlowFilter, *, machine: bool) -> None:
    """Print the wanted flows, and on standard error what the list lacks."""
    now = time.time()
    rows = (row_of(flow, book, now) for flow in flows_of(book, wanted, listed))
    for part in documents(rows) if machine else tables(rows):
        click.echo(part, nl=not machine)
    for note in notes():
        click.echo(note, err=True)


def follow(book: AddressBook, wanted: FlowFilter, *, machine: bool) -> None:
    """Print a line for each flow that begins or ends, until somebody interrupts it."""
    with needs_root("listen for flows"), closing(Events()) as events:
        for note in notes():
            click.echo(note, err=True)
        for row in Follower(book, wanted).rows(events, lambda: click.echo(EVENTS_LOST, err=True)):
            click.echo(json.dumps(row) if machine else event_line(row))
