"""Commands about who may reach whom."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cli.command_line import Command, Commands, refusals, with_json
from cli.progress import progress
from cli.tables import as_json

if TYPE_CHECKING:
    from cli.commands.changes import Target
    from cli.listing import Row


@click.command(
    cls=Command,
    examples=[
        "pynet path web db tcp/5432",
        "pynet path outside web tcp/80",
        "pynet path web host udp/53",
        "pynet path web 192.0.2.7 icmp",
    ],
    codes={
        0: "The packet passes.",
        1: "It is dropped or refused; or there is no such container.",
        2: "Another firewall may stop it, whose rules pynet cannot follow.",
    },
    see=["pynet doctor", "docs/guide/troubleshooting.md"],
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("service")
@click.option("-6", "--ipv6", is_flag=True, help="Ask for IPv6, where both ends have both IP versions.")
@with_json
@click.pass_context
def path(context: click.Context, *, source: str, target: str, service: str, ipv6: bool, machine: bool) -> None:
    """Print the steps of a new connection between FROM and TO, and which of them decides.

    FROM and TO are containers, addresses, host or outside; SERVICE is tcp/80, udp/53, sctp/9 or icmp. No packet is
    sent: the answer follows from the networks, the host's settings and the rules of firewalls.
    """
    from cli.commands.path import CODES, as_text
    from plugin.protocol.path_messages import Fate

    with refusals():
        data = _asked(source, target, service, **({"Version": "6"} if ipv6 else {}))
    click.echo(as_json(data) if machine else as_text(data))
    context.exit(CODES[Fate(data["fate"])])


def _asked(source: str, target: str, service: str, **more: str) -> dict[str, Any]:
    from cli.client.serving import answer
    from cli.commands.name_book import name_book
    from cli.commands.path import as_data, end_of

    with progress("following the packet"):
        known = name_book()
        reply = answer("Path", From=end_of(source, known), To=end_of(target, known), Service=service, **more)
        return as_data(reply, (source, target, service), known.inventory.known)


@click.group(cls=Commands)
def policy() -> None:
    """Show, test and set who may open connections to whom."""


@policy.command(
    "show",
    examples=["pynet policy show", "pynet policy show web", "pynet policy show --json | jq .names"],
    codes={0: "The policies were printed.", 1: "There is no such network or container."},
    see=["pynet policy test", "docs/guide/policy.md"],
)
@click.argument("name", default=None, required=False, metavar="[NETWORK|CONTAINER]")
@with_json
def policy_show(*, name: str | None, machine: bool) -> None:
    """Print the policies of all networks and containers, or of one, and the addresses of the hosts that they name."""
    from cli.client.serving import answer
    from cli.commands.name_book import NameBook
    from cli.commands.policy import about, as_data, as_text
    from cli.commands.selection import select
    from cli.engine.inventory import inventory

    with refusals(), progress("asking pynet and the engine for policies"):
        told = inventory()
        data = as_data(answer("Policies"), told.known)
        if name is not None:
            data = about(data, select([name], NameBook(answer("Networks")["Networks"], told)))
    click.echo(as_json(data) if machine else as_text(data))


@policy.command(
    "test",
    examples=["pynet policy test web db tcp/5432", "pynet policy test box 140.82.112.3 tcp/443"],
    codes={
        0: "The policies of both ends allow it.",
        1: "One of them refuses it; or there is no such container.",
    },
    see=["pynet path", "pynet policy show"],
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("service")
@with_json
@click.pass_context
def policy_test(context: click.Context, *, source: str, target: str, service: str, machine: bool) -> None:
    """Print whether the policies of FROM and TO allow a new connection, and by which entry.

    FROM and TO are containers, addresses, host or outside; SERVICE is tcp/80, udp/53, sctp/9 or icmp. Only policies are
    asked: "pynet path" also knows networks, gateway modes and other firewalls.
    """
    from cli.commands.path import CODES, as_ruling
    from plugin.protocol.path_messages import Fate

    with refusals():
        data = _asked(source, target, service, About="policy")
    click.echo(as_json(data) if machine else as_ruling(data))
    context.exit(CODES[Fate(data["fate"])])


@policy.command(
    "set",
    examples=[
        "pynet policy set db --group db --from 'app tcp/5432'",
        "pynet policy set box --allow-out 'dns:github.com tcp/443, 10.0.0.0/8'",
        "pynet policy set blue --publish-from 192.168.0.0/16",
    ],
    codes={0: "It is in force.", 1: "There is no such network or running container.", 78: "An entry is bad."},
    see=["pynet policy show", "pynet policy reset", "pynet network set", "docs/guide/policy.md"],
)
@click.argument("name", metavar="NETWORK|CONTAINER")
@click.option("--network", "of", default="", metavar="NETWORK", help="The network, if the container is on several.")
@click.option("--group", metavar="NAMES", help="Groups that the container is in.")
@click.option("--from", "allow_from", metavar="ENTRIES", help="Who may connect to it.")
@click.option("--egress", metavar="allow|deny", help="Whether it may connect to everything.")
@click.option("--allow-out", metavar="ENTRIES", help="Where it may connect to; everything else is denied.")
@click.option("--publish-from", metavar="ENTRIES", help="Who may use its published ports.")
@with_json
def policy_set(*, name: str, of: str, machine: bool, **given: str | None) -> None:
    """Set the policy of a running container, or the default of all containers of a network.

    It goes before Docker's own options, as with "pynet endpoint set" and "pynet network set". Connections that it
    forbids are ended. An entry is a protocol with ports and a peer, such as "tcp/443 @ 10.0.0.0/8"; entries are
    separated by commas, and "none" is no entry.
    """
    from cli.commands.policy import options_of
    from plugin.policy.judge import OPTIONS

    with refusals():
        ordered = (given[key] for key in ("group", "allow_from", "egress", "allow_out", "publish_from"))
        options = options_of(dict(zip(OPTIONS, ordered, strict=True)))
        row = _changed(name, of, "SetOptions", lambda _: options)
    _print_change(row, machine=machine)


@policy.command(
    "reset",
    examples=["pynet policy reset db", "pynet policy reset blue"],
    codes={0: "Docker's own options are in force.", 1: "There is no such network or running container."},
    see=["pynet policy set", "pynet reset"],
)
@click.argument("name", metavar="NETWORK|CONTAINER")
@click.option("--network", "of", default="", metavar="NETWORK", help="The network, if the container is on several.")
@with_json
def policy_reset(*, name: str, of: str, machine: bool) -> None:
    """Take back what was set by "pynet policy set", so that Docker's own options hold again."""
    from cli.commands.policy import options_to_reset

    with refusals():
        row = _changed(name, of, "ResetOptions", options_to_reset)
    _print_change(row, machine=machine)


def _changed(name: str, of: str, verb: str, options: "Callable[[Target], object]") -> "Row":
    from cli.client.serving import answer
    from cli.commands.changes import row_of
    from cli.commands.name_book import name_book
    from cli.commands.policy import target_of

    with progress(f"changing the policy of '{name}'"):
        target = target_of(name, of, name_book())
        return row_of(answer(verb, **target.ids, Options=options(target)), target)


def _print_change(row: "Row", *, machine: bool) -> None:
    from cli.commands.changes import as_text

    click.echo(as_json(row) if machine else as_text(row))
