"""Commands about packets that do not arrive."""

from typing import TYPE_CHECKING

import click

from cli.command_line import Command, refusals
from cli.tables import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.commands.address_book import AddressBook
    from cli.commands.selection import Selection
    from cli.commands.trace import Row, TraceWish


@click.command(
    cls=Command,
    examples=["pynet drops", "pynet drops web --since 10m", "pynet drops blue -f"],
    codes={
        0: "The packets were printed, if there were any.",
        1: "There is no such container or network.",
        75: "Another program listens to the kernel's packet log; with -f only.",
        77: "-f needs root.",
    },
    see=["pynet trace", "pynet path", "docs/reference/drop-reasons.md"],
)
@click.argument("which", metavar="[CONTAINER|NETWORK]", default=None)
@click.option(
    "-f", "--follow", is_flag=True, help="Print packets as they are dropped, at most ten a second of a reason."
)
@click.option(
    "--since", default="", metavar="TIME", help="Print what was dropped after a time, or in an age such as 10m."
)
@click.option("--json", "machine", is_flag=True, help="Print one JSON document; with -f one object a line.")
def drops(*, which: str | None, follow: bool, since: str, machine: bool) -> None:
    """Print the packets that pynet's tables dropped since its start: who, to whom, why, how many, and when.

    Each reason has a sentence, and says which option lets such packets pass. Addresses are left out where too many
    senders were refused at the same time.
    """
    from cli.client.serving import answer
    from cli.commands import drops as command
    from cli.commands.logs import moment_of
    from cli.exit_codes import BadUsage

    with refusals():
        moment, now = moment_of(since, command.now()) if since else 0.0, command.now()
        if follow and since:
            raise BadUsage("--since: it is about counts, and -f prints packets that are dropped from now on")
        if follow:
            _follow(which, machine=machine)
            return
        chosen, known = _chosen(which), _address_book()
        rows = [row for row in command.of(command.rows_of(answer("Drops"), known), chosen) if row["last"] >= moment]
    click.echo(as_json(rows) if machine else command.as_text(rows, now))


def _follow(which: str | None, *, machine: bool) -> None:
    from cli.commands import drops as command
    from cli.commands.root import need_root
    from netlink.errors import InUse
    from netlink.nflog import PacketLog
    from plugin.errors import Conflict
    from plugin.firewall.reasons import LOG_GROUP, SNAPLEN

    need_root("listen to the kernel's packet log")
    chosen, known = _chosen(which), _address_book()
    try:
        listening = PacketLog(LOG_GROUP, SNAPLEN)
    except InUse as error:
        raise Conflict(str(error)) from error
    with listening:
        for row in command.of(command.packets_of(listening.packets(), known), chosen):
            click.echo(command.as_json_line(row) if machine else command.as_line(row))


def _chosen(which: str | None) -> "Selection":
    from cli.commands.name_book import name_book
    from cli.commands.selection import Selection, select

    return Selection() if which is None else select([which], name_book())


def _address_book() -> "AddressBook":
    import time

    from cli.client.serving import answer
    from cli.commands.address_book import AddressBook
    from cli.engine.api import known_names

    return AddressBook(lambda: (answer("Networks"), known_names()), time.monotonic)


@click.command(
    cls=Command,
    examples=["pynet trace web db tcp/5432", "pynet trace outside web tcp/80 --for 1m"],
    codes={
        0: "Packets were seen.",
        1: "None was seen; or there is no such container.",
        77: "This user is not root.",
    },
    see=["pynet path", "pynet drops", "docs/guide/dropped.md"],
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("service", default="any")
@click.option(
    "--for", "span", default="10s", show_default=True, metavar="TIME", help="End after a time such as 10s or 2m."
)
@click.option("-n", "count", type=click.IntRange(1), default=20, show_default=True, help="End after so many packets.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object a packet, each on a line.")
def trace(*, source: str, target: str, service: str, span: str, count: int, machine: bool) -> None:
    """Print the nftables rules that real packets between FROM and TO meet, in both directions.

    FROM and TO are containers, addresses, host or outside; SERVICE is tcp/80, udp/53, sctp/9, tcp, icmp or any. The
    rules of all programs are shown, except those of iptables-legacy. Nothing is sent: let the container try meanwhile.
    The kernel removes what marks the packets when the command ends, also when it is killed.
    """
    from cli.commands.root import need_root
    from cli.commands.trace import TraceWish, as_json_line, as_text, seconds_of

    with refusals():
        wish = TraceWish(source, target, service, seconds_of(span), count)
        need_root("trace packets")
        seen = 0
        for row in _traced(wish):
            seen += 1
            click.echo(as_json_line(row) if machine else as_text(row))
    if not seen:
        click.echo(f"no packet of this flow was seen within {span}", err=True)
    raise click.exceptions.Exit(0 if seen else 1)


def _traced(wish: "TraceWish") -> "Iterator[Row]":
    from cli.client.serving import answer
    from cli.commands import trace as command
    from cli.commands.name_book import name_book
    from netlink.nftables import Nftables, open_library
    from netlink.nftrace import TraceEvents
    from plugin.observe.tracing import trace_text

    if legacy := command.legacy_tables():
        click.echo(f"note: rules of iptables-legacy (tables {', '.join(legacy)}) are not visible in a trace", err=True)
    networks = answer("Networks")
    known = command.TraceBooks(name_book(networks["Networks"]), _address_book())
    flow = command.flow_of(wish, networks, answer("Ports"), known)
    table, nft = command.table_name(), Nftables(open_library())
    rules, own = command.RuleTexts(nft.rules), answer("About")["Name"]
    with TraceEvents() as events:
        nft.apply(trace_text(table, flow))
        click.echo(f"tracing for {wish.seconds:g} seconds or {wish.count} packets; Ctrl-C ends it", err=True)
        for packet in command.traced(events, wish, table):
            yield command.row_of(packet, rules, known.owners, own)
