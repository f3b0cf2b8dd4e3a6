"""Commands about names: ``pynet dns``."""

from typing import TYPE_CHECKING

import click

from cli.command_line import Commands, refusals, with_json
from cli.progress import progress
from cli.tables import as_json

if TYPE_CHECKING:
    from cli.commands.dns import Row


@click.group(cls=Commands)
def dns() -> None:
    """Show the names by which containers find each other, and how to make containers find them."""


@dns.command(
    "names",
    examples=["pynet dns names", "pynet dns names blue --json"],
    see=["pynet dns lookup", "pynet dns setup"],
)
@click.argument("network", default="")
@with_json
def dns_names(*, network: str, machine: bool) -> None:
    """Print the names of containers with their hosts and addresses: of all networks, or of NETWORK, a name or an id.

    Containers of hosts that are dead are left out, because their names are not answered.
    """
    from cli.commands.dns import as_text, of_network

    with refusals():
        rows = of_network(_rows(), network)
    click.echo(as_json(rows) if machine else as_text(rows))


@dns.command(
    "lookup",
    examples=["pynet dns lookup web", "pynet dns lookup web.blue.pynet", "pynet dns lookup db --network blue"],
    codes={0: "The name exists.", 1: "No container has it."},
    see=["pynet dns names"],
)
@click.argument("name")
@click.option("--network", default="", metavar="NETWORK", help="Look on this network alone, a name or an id.")
@with_json
@click.pass_context
def dns_lookup(context: click.Context, *, name: str, network: str, machine: bool) -> None:
    """Print the containers to which NAME leads, on every network that has it."""
    from cli.commands.dns import as_text, looked_up, of_network

    with refusals():
        rows = looked_up(of_network(_rows(), network), name)
    click.echo(as_json(rows) if machine else as_text(rows))
    context.exit(int(not rows))


@dns.command(
    "status",
    examples=["pynet dns status", "pynet dns status --json"],
    codes={0: "The resolver serves, or no network wants it.", 1: "It does not serve, although networks want it."},
    see=["pynet dns setup", "pynet metrics"],
)
@with_json
@click.pass_context
def dns_status(context: click.Context, *, machine: bool) -> None:
    """Print whether pynet's resolver serves, whom it asks, and how many questions had which outcome."""
    from cli.client.serving import answer
    from cli.commands.dns_status import as_data, as_text, serves

    with refusals(), progress("asking pynet for its resolver"):
        data = as_data(answer("Resolver"))
    click.echo(as_json(data) if machine else as_text(data))
    context.exit(int(not serves(data)))


@dns.command(
    "setup",
    examples=["pynet dns setup", "pynet dns setup --json"],
    see=["pynet dns names", "docs/guide/names.md"],
)
@with_json
def dns_setup(*, machine: bool) -> None:
    """Print the ways in which containers of this host can ask pynet for names, and the lines to write where.

    Nothing is changed. Which ways there are depends on the version of Docker Engine and on the host's own resolver.
    """
    from cli.commands.dns_setup import as_data, as_text, surroundings
    from cli.engine.api import version_and_names

    with refusals(), progress("asking the engine"):
        data = as_data(surroundings(version_and_names()[0]))
    click.echo(as_json(data) if machine else as_text(data))


def _rows() -> "list[Row]":
    from cli.client.serving import answer
    from cli.commands.dns import rows_of

    with progress("asking pynet for names"):
        return rows_of(answer("Names"))
