"""Commands that show traffic while it flows."""

from collections.abc import Sequence

import click

from cli.command_line import Command, refusals, with_json
from cli.tables import as_json

PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6", "sctp")
SORTS = ("bytes", "packets", "drops", "connections", "name")


@click.command(
    cls=Command,
    examples=["pynet top", "pynet top blue --sort connections", "pynet top web --once --json | jq '.endpoints[].in'"],
    codes={0: "The table was printed.", 1: "Something that was named does not exist.", 130: "Ctrl-C ended it."},
    see=["pynet flows", "pynet ports", "docker stats", "docs/guide/seeing.md"],
)
@click.argument("names", nargs=-1, metavar="[NETWORKS|CONTAINERS...]")
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=1.0,
    metavar="SECONDS",
    help="Time between two tables; by default 1.",
)
@click.option("--once", is_flag=True, help="Print one table and end, as without a terminal.")
@click.option("--sort", type=click.Choice(SORTS), default="bytes", show_default=True, help="Order of the lines.")
@with_json
@click.pass_context
def top(context: click.Context, *, names: Sequence[str], interval: float, once: bool, sort: str, machine: bool) -> None:
    """Print the traffic of containers, drawn again each second until Ctrl-C.

    Each line is a container in a network: bytes and packets a second to it and from it, packets that its link dropped,
    and connections to its published ports, which have lines of their own below it. NETWORKS and CONTAINERS are names or
    beginnings of ids, and choose lines.
    """
    import sys
    import time

    from cli.client.serving import asking
    from cli.commands.name_book import name_book
    from cli.commands.selection import Selection, select
    from cli.commands.top import CurrentNames, as_text, changes, draw, rates
    from cli.engine.api import known_names
    from cli.screen import Screen, coloured

    with refusals():
        read = asking("Traffic")
        chosen = select(names, name_book(read()["Networks"])) if names else Selection()
        known = CurrentNames(known_names)
        documents = (
            rates(before, after, known.about(after), chosen, sort)
            for before, after in changes(read, lambda: time.sleep(interval))
        )
        if once or machine or not sys.stdout.isatty():
            document = next(documents)
            click.echo(as_json(document) if machine else as_text(document))
            return
        with Screen(sys.stdout) as screen:
            for document in documents:
                draw(screen, document, colour=coloured(context))


@click.command(
    cls=Command,
    examples=["pynet flows", "pynet flows web --proto tcp --port 80", "pynet flows blue -f"],
    codes={
        0: "The flows were printed, or there are none.",
        1: "Something that was named does not exist.",
        130: "Ctrl-C ended it.",
    },
    see=["pynet top", "pynet capture", "conntrack", "docs/guide/seeing.md"],
)
@click.argument("names", nargs=-1, metavar="[NETWORKS|CONTAINERS...]")
@click.option("--proto", type=click.Choice(PROTOCOLS), help="Print those of one protocol only.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Print those to a port only, of the container or a published one."
)
@click.option("-f", "--follow", is_flag=True, help="Print a line when one begins or ends, until Ctrl-C.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON document; with -f one JSON object a line.")
def flows(*, names: Sequence[str], proto: str | None, port: int | None, follow: bool, machine: bool) -> None:
    """Print the connections that the kernel tracks: from whom, to whom, by which published port, state and bytes.

    NETWORKS and CONTAINERS are names or beginnings of ids, and choose connections from or to them. Needs root: the
    command asks the kernel itself.
    """
    from cli.commands import flows as command
    from netlink.nft_elements import PROTOCOLS as NUMBERS

    with refusals():
        book = command.book_of(names)
        wanted = command.FlowFilter(NUMBERS.get(proto or "", 0), port or 0)
        if follow:
            command.follow(book, wanted, machine=machine)
        else:
            command.show(book, wanted, machine=machine)


@click.command(
    cls=Command,
    examples=[
        "pynet capture web",
        "pynet capture web blue tcp port 80 -c 10",
        "pynet capture web -w web.pcap --seconds 30",
        "pynet capture web -w - | wireshark -k -i -",
    ],
    codes={
        0: "It captured as much as was asked for, or the container was stopped.",
        1: "There is no such container.",
        64: "The filter cannot be understood, or the container is in several networks.",
        74: "The file cannot be written, or a filter needs tcpdump.",
        130: "Ctrl-C ended it.",
    },
    see=["pynet flows", "tcpdump", "pcap-filter", "docs/guide/seeing.md"],
)
@click.argument("words", nargs=-1, required=True, metavar="CONTAINER [NETWORK] [FILTER]")
@click.option("-w", "--write", "file", default="", metavar="FILE", help="Write packets to a pcap file; - is a pipe.")
@click.option("-c", "--count", "most", type=click.IntRange(1), default=None, help="End after a number of packets.")
@click.option("--seconds", type=click.FloatRange(0.1, 86400), default=None, metavar="SECONDS", help="End after a time.")
@click.option("--json", "machine", is_flag=True, help="Print one JSON object a line.")
def capture(*, words: Sequence[str], file: str, most: int | None, seconds: float | None, machine: bool) -> None:
    """Print or write the packets of CONTAINER, a name or an id, as its link carries them.

    NETWORK chooses one of its networks. FILTER has the language of tcpdump, such as "tcp port 80 and host 10.9.0.2",
    and tcpdump must be installed for it. The container is not entered, and nothing is left when the command ends. Needs
    root.
    """
    from cli.commands.capture import CaptureLimits, run

    with refusals():
        run(words, CaptureLimits(most or 0, seconds or 0.0), file=file, machine=machine)
