"""Commands about packets that do not arrive."""

from typing import TYPE_CHECKING

import click

from cli.command_line import Command, refusals
from cli.tables import as_json

if TYPE_CHECKING:
    from cli.commands.address_book import AddressBook


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
@click.argument("which", metavar="[CONTAINER|NETWORK]", default="")
@click.option(
    "-f", "--follow", is_flag=True, help="Print packets as they are dropped, at most ten a second of a reason."
)
@click.option(
    "--since", default="", metavar="TIME", help="Print what was dropped after a time, or in an age such as 10m."
)
@click.option("--json", "machine", is_flag=True, help="Print one JSON document; with -f one object a line.")
def drops(*, which: str, follow: bool, since: str, machine: bool) -> None:
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
        known = _address_book(which)
        rows = [row for row in command.of(command.rows_of(answer("Drops"), known), which) if row["last"] >= moment]
    click.echo(as_json(rows) if machine else command.as_text(rows, now))


def _follow(which: str, *, machine: bool) -> None:
    from cli.commands import drops as command
    from cli.commands.root import need_root
    from netlink.errors import InUse
    from netlink.nflog import PacketLog
    from plugin.errors import Conflict
    from plugin.firewall.reasons import LOG_GROUP, SNAPLEN

    need_root("listen to the kernel's packet log")
    known = _address_book(which)
    try:
        listening = PacketLog(LOG_GROUP, SNAPLEN)
    except InUse as error:
        raise Conflict(str(error)) from error
    with listening:
        for row in command.of(command.packets_of(listening.packets(), known), which):
            click.echo(command.as_json_line(row) if machine else command.as_line(row))


def _address_book(which: str) -> "AddressBook":
    import time

    from cli.client.serving import answer
    from cli.commands.address_book import AddressBook
    from cli.commands.networks import DockerNames
    from cli.engine.api import all_names

    known = AddressBook(lambda: (answer("Networks"), DockerNames(*all_names())), time.monotonic)
    if which:
        known.check(which)
    return known
